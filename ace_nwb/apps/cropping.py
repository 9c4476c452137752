"""The page `crop`: a rectangle on projections becomes parameters of the next `preprocess`."""

from pathlib import Path
from threading import Lock

import numpy as np

from ace_nwb import pipeline
from ace_nwb.apps.app import App, Body, Query, Reply, array_reply, json_reply
from ace_nwb.apps.session_data import SessionData, grey_levels
from ace_nwb.errors import ParameterError
from ace_nwb.imaging.cropping import CropBox, resolve_crop
from ace_nwb.nwb.content.movie import NwbMovie
from ace_nwb.nwb.session import open_session
from ace_nwb.stages.running.execution import read_state

NAMES = ("crop_row_start", "crop_row_stop", "crop_column_start", "crop_column_stop")


def build_crop_app(path: Path) -> App:
    """Return the page that chooses the part of the field that is analysed."""
    desk = CropDesk(path)
    return App(
        page="crop",
        title=f"{path.name} - crop",
        reads={"/api/session": desk.session, "/api/image": desk.image},
        writes={"/api/crop": desk.record},
        close=desk.data.close,
    )


def record_crop(path: Path, box: CropBox, field_shape: tuple[int, int], *, source: str) -> None:
    """Choose a box for the next run of `preprocess`; open ends where it touches the edge."""
    n_rows, n_columns = field_shape
    stops = (
        None if box.row_stop == n_rows else box.row_stop,
        None if box.column_stop == n_columns else box.column_stop,
    )
    values = dict(zip(NAMES, (box.row_start, stops[0], box.column_start, stops[1]), strict=True))
    pipeline.record_parameters(path, {"preprocess": values}, source=source)


def crop_by_numbers(path: Path, rows: str, columns: str) -> CropBox:
    """Choose a box given as "first:last" texts; return it.

    Raises
    ------
    ParameterError
        If a text is not of that form, or the box does not fit the field.
    """
    with open_session(path) as session:
        _, n_rows, n_columns = NwbMovie(session).shape
    numbers = [*_limits("rows", rows), *_limits("columns", columns)]
    given = {name: value for name, value in zip(NAMES, numbers, strict=True) if value is not None}
    box = resolve_crop((n_rows, n_columns), **given)
    record_crop(path, box, (n_rows, n_columns), source="recorded")
    return box


def _limits(name: str, text: str) -> list[int | None]:
    parts = [part.strip() for part in text.split(":")]
    if len(parts) != 2 or not all(part == "" or part.isdigit() for part in parts):
        raise ParameterError(
            f"--{name} {text!r} is not of the form FIRST:LAST, for example --{name} 20:580."
        )
    return [int(part) if part else None for part in parts]


def chosen_crop(path: Path, field_shape: tuple[int, int]) -> CropBox:
    """Return the box that the next run of `preprocess` would take."""
    known = read_state(path)
    run = known.runs.get("preprocess")
    texts = {p.name: p.value for p in run.parameters} if run else {}
    texts |= {name: one.value for name, one in known.waiting.get("preprocess", {}).items()}
    numbers = {
        name: int(texts[name]) for name in NAMES if texts.get(name, "none") not in ("none", "")
    }
    return resolve_crop(field_shape, **numbers)


class CropDesk:
    """The state behind the page."""

    def __init__(self, path: Path):
        self.path = path
        self.lock = Lock()
        self.data = SessionData(path)
        _, n_rows, n_columns = self.data.movie.shape
        self.shape = (n_rows, n_columns)
        self.analysed = self.data.field
        self.images = sample_projections(self.data)
        self.data.close()
        self.box = chosen_crop(path, self.shape)

    def session(self, _query: Query) -> Reply:
        """Tell the field, the box chosen so far, and the images there are."""
        row, column = self.analysed.origin
        n_rows, n_columns = self.analysed.shape
        return json_reply(
            {
                "file": self.path.name,
                "field_shape": self.shape,
                "analysed": [row, row + n_rows, column, column + n_columns],
                "box": self.box.limits,
                "images": list(self.images),
            }
        )

    def image(self, query: Query) -> Reply:
        """Give a projection of the raw movie as bytes."""
        if query["name"] not in self.images:
            raise ParameterError(f"There is no image of that name. Known: {', '.join(self.images)}")
        return array_reply({"image": grey_levels(self.images[query["name"]])})

    def record(self, body: Body) -> Reply:
        """Choose a box for the next run of `preprocess`."""
        limits = [int(np.round(float(value))) for value in body["box"]]
        names = dict(zip(NAMES, limits, strict=True))
        box = resolve_crop(self.shape, **names)
        with self.lock:
            record_crop(self.path, box, self.shape, source="browser")
            self.box = box
        return json_reply({"box": box.limits})


_N_FRAMES = 96
"""Frames spread over the session: a maximum shows most cells, and nobody waits long."""


def sample_projections(data: SessionData, n_frames: int = _N_FRAMES) -> dict[str, np.ndarray]:
    """Return mean, max, standard deviation of frames spread over the raw movie, whole field."""
    total = data.movie.shape[0]
    numbers = np.unique(np.linspace(0, total - 1, min(n_frames, total)).astype(int))
    sums = squares = highest = None
    for number in numbers.tolist():
        with data.lock:
            frame = data.movie.read(number, number + 1)[0].astype(np.float32)
        if sums is None or squares is None or highest is None:
            sums, squares, highest = np.zeros_like(frame), np.zeros_like(frame), frame.copy()
        sums += frame
        squares += frame**2
        np.maximum(highest, frame, out=highest)
    if sums is None or squares is None or highest is None:
        return {}
    mean = sums / len(numbers)
    spread = np.sqrt(np.maximum(squares / len(numbers) - mean**2, 0))
    return {"mean": mean, "max": highest, "std": spread}
