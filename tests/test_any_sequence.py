"""Whatever is done in whatever order, with crashes between, the session file stays sound.

`python -m tests.benchmarks.stage_sequences` tries many more.
"""

import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fixtures import stage_sequences as sequences

actions = st.one_of(
    *[
        st.tuples(
            st.just("run"),
            st.sampled_from(sorted(sequences.VARIANTS)),
            st.integers(0, 1),
            st.sampled_from(sequences.MODES),
            st.sampled_from(sequences.CRASHES),
            st.integers(0, 10**6),
        )
    ]
    * 3,
    st.tuples(st.just("decide"), st.integers(0, 3)),
    st.sampled_from(
        [("run", "curate", 0, "replace", "", 0), ("undo sync",), ("repack",), ("repack",)]
    ),
)


@pytest.fixture(scope="module")
def begun(tiny_session_template, tmp_path_factory):
    """A session after its first stages, and the model of it."""
    path = tmp_path_factory.mktemp("begun") / "session.nwb"
    shutil.copy(tiny_session_template, path)
    return path, sequences.start(path)


@settings(
    max_examples=1,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(sequence=st.lists(actions, min_size=4, max_size=6))
def test_any_sequence_of_stages_decisions_and_crashes_leaves_a_sound_file(
    begun, tmp_path_factory, sequence
):
    template, model = begun
    path = tmp_path_factory.mktemp("sequence") / "session.nwb"
    shutil.copy(template, path)
    model = sequences.Model(dict(model.made))
    for action in sequence:
        sequences.act(path, model, action)
    sequences.check_end(path)
