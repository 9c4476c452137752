"""Whatever is done in whatever order, with crashes between, the session file stays sound.

`ACE_NWB_EXAMPLES` sets how many sequences are tried.
"""

import os
from pathlib import Path

import h5py
import numpy as np
import pynwb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ace_nwb.nwb import layout
from ace_nwb.nwb.checks import check_session
from ace_nwb.nwb.journal import recover
from ace_nwb.nwb.links import find_dangling_links, iterate_references
from ace_nwb.nwb.repack import repack
from ace_nwb.nwb.session import edit_session, open_session
from tests.fixtures import changes
from tests.fixtures.faults import CrashedFolder, RecordingDisk

N_EXAMPLES = int(os.environ.get("ACE_NWB_EXAMPLES", "2"))


def judge(writer):
    if writer.has(layout.PLANE_SEGMENTATION):
        n_rois = len(writer.get(layout.PLANE_SEGMENTATION))
        accepted = ("Accepted.", np.arange(n_rois) % 2 == 0)
        writer.set_columns(layout.PLANE_SEGMENTATION, {"accepted": accepted})


def keep_rois(writer):
    number = sum(
        name.startswith("Fluorescence_") for name in writer.h5["processing"].get("ophys", ())
    )
    paths = (layout.IMAGE_SEGMENTATION, layout.FLUORESCENCE, layout.DF_OVER_F)
    writer.keep_as(paths, f"try{number}")


def remove_motion(writer):
    writer.remove([layout.MOTION_SHIFTS, layout.MOTION_QUALITY])


CHANGES = {
    "align": changes.align,
    "motion": changes.add_motion,
    "rois": changes.add_rois,
    "judge": judge,
    "keep": keep_rois,
    "remove motion": remove_motion,
    "remove rois": changes.remove_rois,
}

steps = st.lists(
    st.tuples(
        st.sampled_from(sorted(CHANGES)),
        st.sampled_from(["done", "done", "kill", "torn", "power", "repack"]),
        st.integers(0, 10**6),
    ),
    min_size=3,
    max_size=5,
)


def object_ids(path: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    with h5py.File(path) as h5:
        h5.visititems(lambda name, item: found.update({name: item.attrs.get("object_id", "")}))
    return found


def crash_within(path: Path, change, *, how: str, seed: int) -> None:
    """Do a change, and leave behind what a crash at a random point of it would leave."""
    before, disk = path.read_bytes(), RecordingDisk()
    with edit_session(path, disk=disk) as writer:
        change(writer)
    after = path.read_bytes()
    rng = np.random.default_rng(seed)
    folder = CrashedFolder({path.name: bytearray(before)})
    for operation in disk.operations[: rng.integers(len(disk.operations) + 1)]:
        folder.apply(operation)
    for name, content in folder.crash(rng, how).items():
        (path.parent / name).write_bytes(content)
    recover(path)
    assert path.read_bytes() in (before, after)


def do(path: Path, name: str, *, how: str, seed: int) -> None:
    if how in {"kill", "torn", "power"}:
        crash_within(path, CHANGES[name], how=how, seed=seed)
        return
    with edit_session(path) as writer:
        CHANGES[name](writer)
    if how == "repack":
        repack(path)


def check_sound(path: Path) -> None:
    with open_session(path) as session:
        assert find_dangling_links(session.h5) == []
        assert all(target for _, target in iterate_references(session.h5))
        assert check_session(session) == []
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.filterwarnings("error")
@settings(
    max_examples=N_EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(sequence=steps)
def test_any_sequence_of_changes_and_crashes_leaves_a_sound_file(
    recorded_template, tmp_path_factory, sequence
):
    path = tmp_path_factory.mktemp("sequence") / "session.nwb"
    path.write_bytes(recorded_template.path.read_bytes())
    recorded_ids = object_ids(path)
    for name, how, seed in sequence:
        do(path, name, how=how, seed=seed)
        check_sound(path)
    assert pynwb.validate(path=str(path)) == []
    now = object_ids(path)
    unchanged = [key for key in recorded_ids if key.startswith(("acquisition", "general"))]
    assert unchanged
    assert all(now[key] == recorded_ids[key] for key in unchanged)
