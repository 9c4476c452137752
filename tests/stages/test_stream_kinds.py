"""Streams of several kinds in one file: field potentials are analysed, the others stay apart."""

import numpy as np
import pytest
from hdmf.common import DynamicTable, VectorData
from pynwb import NWBHDF5IO
from pynwb.ecephys import ElectricalSeries

from ace_nwb import pipeline
from ace_nwb.nwb import layout
from ace_nwb.nwb.content.artifacts import read_artifacts
from ace_nwb.nwb.content.ephys import list_analysed, list_ephys
from ace_nwb.nwb.content.phase import list_filtered_ephys
from ace_nwb.nwb.session import open_session
from ace_nwb.report.ephys_line import read_ephys_line
from ace_nwb.stages.running.context import group_alike
from tests.fixtures.coupled_sessions import EPHYS_RATE_HZ, run_stages

STAGES = {
    "dff": {},
    "deconvolve": {},
    "events": {},
    "ephys-artifacts": {},
    "ephys-filter": {},
    "filter": {},
    "phase": {},
    "coupling": {"n_surrogates": 99},
}


def add_series(path, name, *, kind="", start_s=0.0, rows=(1, 2)):
    """Add a series of the same electrodes: a DC amplifier at 19 mV a bit jumps far beyond LFP."""
    with NWBHDF5IO(path, "a") as io:
        nwbfile = io.read()
        samples = np.random.default_rng(0).integers(500, 524, (5000, len(rows)), np.int16)
        nwbfile.add_acquisition(
            ElectricalSeries(
                name=name,
                description="Low gain.",
                data=samples,
                electrodes=nwbfile.create_electrode_table_region(
                    region=list(rows), description="Channels."
                ),
                rate=EPHYS_RATE_HZ,
                starting_time=start_s,
                conversion=-19.23e-3,
            )
        )
        if kind:
            columns = {"series": f"/acquisition/{name}", "kind": kind}
            module = nwbfile.processing["misc"]
            module.add(
                DynamicTable(
                    name="SeriesKinds",
                    description="Kinds.",
                    columns=[
                        VectorData(name=key, description=key, data=[value])
                        for key, value in columns.items()
                    ],
                )
            )
        io.write(nwbfile)


@pytest.fixture
def file(coupled_template, tmp_path):
    path = tmp_path / "session.nwb"
    path.write_bytes(coupled_template.path.read_bytes())
    return path


@pytest.fixture
def with_dc(file):
    add_series(file, "ElectricalSeriesDC", kind="DC")
    return file


def names_of(path, read=list_ephys):
    with open_session(path) as session:
        return {series.name: series.channel_names for series in read(session)}


def test_dc_of_the_same_electrodes_is_named_by_stream_and_left_out(with_dc):
    assert names_of(with_dc) == {
        "ElectricalSeries0": ("CSC1", "CSC2"),
        "ElectricalSeriesDC": ("DC/CSC1", "DC/CSC2"),
    }
    with open_session(with_dc) as session:
        kept, told = list_analysed(session)
    assert [series.name for series in kept] == ["ElectricalSeries0"]
    assert told == ["ElectricalSeriesDC is left out (DC, no field potential)."]


def test_coupling_beside_dc_is_that_of_the_field_potential_alone(
    with_dc, coupled_template, tmp_path
):
    alone = tmp_path / "alone.nwb"
    alone.write_bytes(coupled_template.path.read_bytes())
    found = []
    for path in (alone, with_dc):
        run_stages(path, STAGES)
        with open_session(path) as session:
            found.append(session.read_table(layout.EVENT_PHASE_COUPLING))
            assert {key[0] for key in read_artifacts(session)} == {"/acquisition/ElectricalSeries0"}
    assert set(names_of(with_dc, list_filtered_ephys)) == {"EphysFiltered0"}
    for name, values in found[0].items():
        np.testing.assert_array_equal(values, found[1][name], err_msg=name)


def test_a_channel_is_chosen_by_stream_and_name(with_dc):
    pipeline.process(with_dc, "ephys-artifacts", {"channels": "DC/CSC2"})
    with open_session(with_dc) as session:
        assert set(read_artifacts(session)) == {("/acquisition/ElectricalSeriesDC", "DC/CSC2")}


def test_what_is_left_out_is_told_once(with_dc):
    outcome = pipeline.process(with_dc, "ephys-filter")
    assert [line for line in outcome.remarks if "DC" in line] == [
        "ElectricalSeriesDC is left out (DC, no field potential)."
    ]


def test_remarks_on_many_channels_are_told_in_a_few_lines():
    remarks = [
        "Method pulses.",
        *(f"RHS2116_{n}: {n} of 40 ROIs tested are locked" for n in range(32)),
    ]
    assert group_alike([*remarks, "CSC1: no artefacts"]) == [
        *remarks[:4],
        "... and 29 like it; the history of the file holds all",
        "CSC1: no artefacts",
    ]


def test_the_picture_shows_the_field_potential(with_dc):
    with open_session(with_dc) as session:
        line = read_ephys_line(session, (1.0, 3.0))
    assert line.name == "CSC1"
    assert len(line.times_s) == 2 * EPHYS_RATE_HZ + 1


def test_lfp_is_preferred_to_the_wide_band_of_its_channels(file):
    add_series(file, "ElectricalSeriesAp", kind="wide-band")
    assert names_of(file)["ElectricalSeriesAp"] == ("Ap/CSC1", "Ap/CSC2")
    with open_session(file) as session:
        kept, told = list_analysed(session)
    assert [series.name for series in kept] == ["ElectricalSeries0"]
    assert "its channels have a series of field potentials" in told[0]


def test_streams_at_once_of_which_nothing_is_known_are_both_analysed_apart(file):
    add_series(file, "ElectricalSeriesB")
    assert names_of(file) == {
        "ElectricalSeries0": ("ElectricalSeries0/CSC1", "ElectricalSeries0/CSC2"),
        "ElectricalSeriesB": ("B/CSC1", "B/CSC2"),
    }
    with open_session(file) as session:
        assert len(list_analysed(session)[0]) == 2


@pytest.mark.parametrize(
    ("start_s", "rows"),
    [(200.0, (1, 2)), (0.0, (0, 0))],
    ids=["after the other", "other channels"],
)
def test_streams_that_share_nothing_at_once_keep_their_names(file, start_s, rows):
    add_series(file, "ElectricalSeries1", start_s=start_s, rows=rows)
    assert all("/" not in name for names in names_of(file).values() for name in names)
