"""The small files of a simulated recording: settings of devices, the user's metadata."""

from datetime import datetime
from pathlib import Path

import yaml

from ace_nwb.simulation.miniscope_daq import describe_start, write_json
from ace_nwb.simulation.movie import MovieSpec

SCOPE = "My V4 Miniscope"
BEHAVIOUR_CAMERA = "BehavCam 1"
CAMERA_SHAPE = (96, 128)  # rows, columns in px: small, since only its times matter here
CAMERA_RATE_HZ = 10  # Hz: slower than the scope, so that two clocks differ
ANIMAL = "m001"

SESSION_METADATA = {
    "NWBFile": {
        "session_description": "Simulated one-photon calcium imaging of CA1 with local field "
        "potential and EMG during rest and spontaneous movement.",
        "experimenter": ["Simulator, Sim"],
        "institution": "Example University",
        "lab": "Example Lab",
        "experiment_description": "Recording with known truth, made by ace_nwb.simulation.",
        "keywords": ["simulation", "miniscope", "calcium imaging", "local field potential"],
    },
    "Subject": {
        "subject_id": ANIMAL,
        "species": "Mus musculus",
        "sex": "F",
        "age": "P90D",
        "description": "Simulated mouse.",
    },
    "Ophys": {
        "ImagingPlane": {
            "location": "CA1",
            "indicator": "GCaMP6f",
            "excitation_lambda_nm": 470.0,
            "emission_lambda_nm": 525.0,
            "pixel_size_um": 1.655,
        }
    },
    "Ecephys": {"location": "CA1"},
    # the simulated line toggles for every captured frame, from the first on
    "Rig": {
        "frames_before_first_edge": 0,
        "edges_after_last_frame": 0,
        "measured": "by construction of the simulation",
    },
}


def write_session_metadata(path: Path) -> None:
    """Write the metadata that no acquisition file recorded."""
    text = yaml.safe_dump(SESSION_METADATA, sort_keys=False, allow_unicode=True)
    path.write_text(text, encoding="utf-8", newline="\n")


def write_recording_metadata(path: Path, start: datetime) -> None:
    """Write the metaData.json of the recording folder."""
    content: dict[str, object] = {
        "researcherName": "Sim Simulator",
        "animalName": ANIMAL,
        "experimentName": "rest",
        "date": f"{start:%Y_%m_%d}",
        "time": f"{start:%H_%M_%S}",
        "baseDirectory": f"D:/Miniscope/{ANIMAL}/{start:%Y_%m_%d}/{start:%H_%M_%S}",
        "miniscopes": [SCOPE],
        "cameras": [BEHAVIOUR_CAMERA],
        "recordingStartTime": describe_start(start),
    }
    write_json(path, content)


def write_device_metadata(folder: Path, movie: MovieSpec | None, *, frames_per_file: int) -> None:
    """Write the metaData.json of a device: the scope of that movie, or the behaviour camera."""
    if movie is None:
        name, kind, shape = BEHAVIOUR_CAMERA, "WebCam", CAMERA_SHAPE
        settings: dict[str, object] = {"frameRate": f"{CAMERA_RATE_HZ}FPS", "compression": "MJPG"}
    else:
        name, kind, shape = SCOPE, "Miniscope_V4_BNO", movie.field_shape
        settings = {
            "ewl": -12,
            "frameRate": f"{movie.frame_rate_hz:g}FPS",
            "gain": "High",
            "led0": 28,
            "compression": "FFV1",
        }
    content: dict[str, object] = {
        "ROI": {"height": shape[0], "leftEdge": 0, "topEdge": 0, "width": shape[1]},
        "deviceDirectory": f"D:/Miniscope/{folder.name}",
        "deviceID": 0 if movie else 1,
        "deviceName": name,
        "deviceType": kind,
        "framesPerFile": frames_per_file,
        **settings,
    }
    write_json(folder / "metaData.json", content)


def list_notes(duration_ms: int) -> list[tuple[int, str]]:
    """Return the notes of a recording: (ms, text), among them a change of the scope's LED."""
    return [
        (round(0.1 * duration_ms), "animal settles"),
        (round(0.35 * duration_ms), f"{SCOPE.replace(' ', '_')},led0,30"),
        (round(0.5 * duration_ms), "grooming, then still"),
    ]
