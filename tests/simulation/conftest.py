import pytest

from ace_nwb.simulation.recording import Recording, simulate_recording


@pytest.fixture(scope="session")
def toy(tmp_path_factory) -> Recording:
    return simulate_recording(tmp_path_factory.mktemp("toy"), "toy", seed=3)
