"""A session survives the way to Zarr and back, and can be read there."""

import json
import shutil

import h5py
import numpy as np
import pytest

from ace_nwb.archive import is_valid, validate
from ace_nwb.cli import run
from ace_nwb.errors import OutputError, SessionFileError
from ace_nwb.nwb import layout
from ace_nwb.nwb.content.artifacts import read_artifacts
from ace_nwb.nwb.content.bouts import read_bouts
from ace_nwb.nwb.content.ephys import list_ephys
from ace_nwb.nwb.content.events import list_ttl_lines, read_events
from ace_nwb.nwb.content.imaging import read_field, read_motion
from ace_nwb.nwb.content.movie import NwbMovie
from ace_nwb.nwb.content.rois import read_segmentation
from ace_nwb.nwb.content.sync import read_clock_fit, read_ledger
from ace_nwb.nwb.history import read_runs
from ace_nwb.nwb.objects.copying import find_difference
from ace_nwb.nwb.session import open_session
from ace_nwb.nwb.zarr import exchange
from ace_nwb.nwb.zarr.exchange import export_zarr, import_zarr

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@pytest.fixture(scope="module")
def exported_template(analysed_template, tmp_path_factory):
    return export_zarr(analysed_template, tmp_path_factory.mktemp("zarr") / "session.nwb.zarr")


@pytest.fixture
def exported(exported_template, tmp_path):
    return shutil.copytree(exported_template, tmp_path / "session.nwb.zarr")


def test_there_and_back_nothing_is_lost(analysed, tmp_path, monkeypatch):
    monkeypatch.setattr(exchange, "LARGE_BYTES", 2000)  # some arrays go piece by piece
    export_zarr(analysed, tmp_path / "there.nwb.zarr")
    import_zarr(tmp_path / "there.nwb.zarr", tmp_path / "back.nwb")
    with h5py.File(analysed) as first, h5py.File(tmp_path / "back.nwb") as second:
        assert find_difference(first, second) is None


def summary(path):
    """Return what the readers give of a session."""
    with open_session(path) as session:
        segmentation = read_segmentation(session)
        return [
            session.identifier,
            read_runs(session),
            read_field(session),
            segmentation.footprints.toarray().tolist(),
            segmentation.raw.tolist(),
            segmentation.background.weights.toarray().tolist(),
            [array.tolist() for array in read_motion(session)],
            NwbMovie(session).read(0, 60).tolist(),
            NwbMovie(session).timestamps.tolist(),
            [(s.name, s.channel_names, s.read().tolist()) for s in list_ephys(session)],
            list_ttl_lines(session),
            read_events(session, "/events/Notes")[1]["note"].tolist(),
            read_events(session, "/processing/events/CalciumEventsDerivative")[1]["roi"].tolist(),
            {name: values.tolist() for name, values in read_ledger(session).items()},
            {name: values.tolist() for name, values in read_clock_fit(session).items()},
            session.has(layout.DFF_TRACES),
        ]


def test_every_reader_gives_the_same_from_zarr(analysed, exported):
    for from_file, from_zarr in zip(summary(analysed), summary(exported), strict=True):
        assert from_file == from_zarr


def test_a_zarr_session_is_valid(exported):
    findings = validate(exported)
    assert is_valid(findings), findings


@pytest.mark.parametrize("function", [export_zarr, import_zarr])
def test_nothing_is_overwritten(analysed, exported, tmp_path, function):
    source = analysed if function is export_zarr else exported
    target = tmp_path / "taken"
    target.write_text("precious")
    with pytest.raises(OutputError, match="exists already"):
        function(source, target)
    assert target.read_text() == "precious"


@pytest.mark.parametrize("function", [export_zarr, import_zarr])
def test_a_failure_leaves_nothing_behind(analysed, exported, tmp_path, function, monkeypatch):
    def fail(*arguments):
        raise RuntimeError("stop")

    monkeypatch.setattr(exchange, "_stream_large_arrays", fail)
    before = set(tmp_path.iterdir())
    source = analysed if function is export_zarr else exported
    with pytest.raises(RuntimeError):
        function(source, tmp_path / "new")
    assert set(tmp_path.iterdir()) == before


def test_progress_counts_the_bytes_of_large_arrays(analysed, tmp_path, monkeypatch):
    monkeypatch.setattr(exchange, "LARGE_BYTES", 1000)
    calls = []
    export_zarr(analysed, tmp_path / "x.nwb.zarr", progress=lambda *call: calls.append(call))
    assert calls[-1][0] == calls[-1][1] > 60 * 14 * 20


def test_a_folder_that_is_no_zarr_session_is_refused(tmp_path):
    with pytest.raises(SessionFileError, match="not a Zarr session"):
        open_session(tmp_path)


def test_a_link_to_another_folder_is_refused(exported):
    attributes = exported / "acquisition" / ".zattrs"
    link = {"name": "x", "source": "../other.zarr", "path": "/data", "object_id": "1"}
    attributes.write_text(json.dumps({"zarr_link": [link]}))
    with pytest.raises(SessionFileError, match=r"'\.\./other\.zarr'"):
        open_session(exported)


def test_a_symbolic_link_is_refused(exported):
    (exported / "acquisition" / "x").symlink_to("/etc")
    with pytest.raises(SessionFileError, match="symbolic link"):
        open_session(exported)


def test_pickled_values_are_refused(exported):
    meta = exported / "identifier" / ".zarray"
    meta.write_text(meta.read_text().replace("vlen-utf8", "pickle"))
    with pytest.raises(SessionFileError, match="could run code"):
        open_session(exported)


def lose_chunk(folder, name="acquisition/OnePhotonSeries/data"):
    chunk = next(f for f in sorted((folder / name).iterdir()) if f.name[0].isdigit())
    chunk.unlink()
    return chunk.name


def test_a_chunk_that_is_missing_from_a_session_of_ours_is_refused_by_name(exported, tmp_path):
    chunk = lose_chunk(exported)
    told = f"/acquisition/OnePhotonSeries/data lacks its chunk {chunk}"
    for use in (open_session, lambda path: import_zarr(path, tmp_path / "back.nwb")):
        with pytest.raises(SessionFileError, match=told):
            use(exported)
    assert not list(tmp_path.glob("back*"))


@pytest.mark.parametrize(
    "name", ["acquisition/OnePhotonSeries/data", "processing/sync/FrameLedger/movie_frame"]
)
def test_a_damaged_chunk_is_named_and_nothing_is_written(exported, tmp_path, name):
    chunk = min(one for one in (exported / name).iterdir() if one.name[0].isdigit())
    chunk.write_bytes(chunk.read_bytes()[: chunk.stat().st_size // 2])
    with pytest.raises(SessionFileError, match=f"{name} cannot be read"):
        import_zarr(exported, tmp_path / "back.nwb")
    assert not (tmp_path / "back.nwb").exists()


def test_chunks_that_another_writer_left_out_are_filled_only_if_asked_for(recorded, tmp_path):
    foreign = export_zarr(recorded.path, tmp_path / "foreign.nwb.zarr")
    lose_chunk(foreign)
    open_session(foreign).close()
    back = tmp_path / "back.nwb"
    assert run(["import", str(foreign), str(back)]) == 1
    assert not back.exists()
    assert run(["import", str(foreign), str(back), "--fill-missing-chunks"]) == 0
    with h5py.File(back) as h5:
        assert not h5["acquisition/OnePhotonSeries/data"][0, :5, :5].any()  # within the chunk


def test_a_missing_chunk_without_a_fill_value_is_refused_whoever_wrote_it(exported):
    lose_chunk(exported)
    meta = exported / "acquisition/OnePhotonSeries/data/.zarray"
    meta.write_text(json.dumps(json.loads(meta.read_text()) | {"fill_value": None}))
    with pytest.raises(SessionFileError, match="lacks its chunk"):
        open_session(exported)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("shape", [10**12, 14, 20], "cannot be in the folder"),
        ("shape", [-1], "its shape is"),
        ("chunks", [0, 1, 1], "in chunks of"),
        ("chunks", [1, 1], "other axes"),
        ("dtype", "<q9", "its type is none"),
    ],
)
def test_damaged_descriptions_are_refused_with_their_array(exported, key, value, message):
    meta = exported / "acquisition/OnePhotonSeries/data/.zarray"
    meta.write_text(json.dumps(json.loads(meta.read_text()) | {key: value}))
    with pytest.raises(SessionFileError, match=f"OnePhotonSeries/data is damaged.*{message}"):
        open_session(exported)


@pytest.mark.parametrize("text", ["", "[1]", "{", "[" * 100_000], ids=len)
def test_descriptions_that_are_no_json_object_are_refused_with_their_object(exported, text):
    (exported / "acquisition" / ".zattrs").write_text(text)
    with pytest.raises(SessionFileError, match=r"/acquisition is damaged: its \.zattrs"):
        open_session(exported)


def test_what_we_export_holds_no_pickles(exported):
    assert not [f for f in exported.rglob(".z*") if f.is_file() and "pickle" in f.read_text()]
    assert np.all([f.suffix != ".pkl" for f in exported.rglob("*")])


def test_results_that_refer_to_stretches_of_series_survive_the_way_to_zarr_and_back(
    related, tmp_path
):
    there, back = tmp_path / "there.nwb.zarr", tmp_path / "back.nwb"
    export_zarr(related.path, there)
    import_zarr(there, back)
    with h5py.File(related.path) as first, h5py.File(back) as second:
        assert "OscillationBouts" in first["processing/ecephys"]
        assert "EphysArtifacts" in first["processing/ecephys"]
        assert find_difference(first, second) is None
    found = []
    for path in (related.path, there):
        with open_session(path) as session:
            bouts, artifacts = read_bouts(session), read_artifacts(session)
            found.append([{k: v.tolist() for k, v in one.items()} for one in (bouts, artifacts)])
    assert found[0] == found[1]
    assert all(found[0])
    findings = validate(there)
    assert is_valid(findings), findings
