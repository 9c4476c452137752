"""Fields, projection images, shifts and traces of the whole frame in a session file."""

from collections.abc import Mapping

import numpy as np

from ace_nwb.errors import SessionFileError
from ace_nwb.imaging.storage import turn_axes
from ace_nwb.nwb import layout
from ace_nwb.nwb.content.series import read_series, write_series
from ace_nwb.nwb.editing import SessionWriter
from ace_nwb.nwb.field import FieldOfView
from ace_nwb.nwb.objects.writing import compressed, create_data
from ace_nwb.nwb.reading import Session

_DESCRIPTIONS = {
    "mean": "Mean over all frames.",
    "max": "Maximum over all frames.",
    "min": "Minimum over all frames.",
    "std": "Standard deviation over all frames.",
    "median": "Median over frames.",
    "range": "Maximum minus minimum.",
    "correlation": "Correlation of each pixel with its neighbours, after filtering.",
    "peak_to_noise": "Peak over noise of each pixel, after filtering.",
    "baseline": "Constant level of each pixel in the background model.",
}


_UM_PER_UNIT = {"meters": 1e6, "millimeters": 1e3, "micrometers": 1.0, "micrometer": 1.0, "um": 1.0}
"""Unit of the spacing of pixels in an NWB file -> micrometres; of others no bar is drawn."""


def write_field(writer: SessionWriter, field: FieldOfView) -> str:
    """Write which part of the recorded field is analysed."""
    writer.remove([layout.FIELD_OF_VIEW])
    (n_rows, n_columns), (row, column) = field.recorded, field.origin
    bounds = {
        "row_start": [0, row],
        "row_stop": [n_rows, row + field.shape[0]],
        "column_start": [0, column],
        "column_stop": [n_columns, column + field.shape[1]],
    }
    columns = {
        name: (f"{name.replace('_', ' ')} of the field, px.", values)
        for name, values in bounds.items()
    }
    writer.create_table(
        layout.FIELD_OF_VIEW,
        "Fields in pixels of the recorded movie: as recorded, and as analysed.",
        {"field": ("Which field.", ["recorded", "analysed"]), **columns},
    )
    return layout.FIELD_OF_VIEW


def read_field(session: Session) -> FieldOfView:
    """Return which part of the recorded field is analysed; all of it if nothing is said.

    Raises
    ------
    SessionFileError
        If what is said is no part of it.
    """
    table = session.find(layout.FIELD_OF_VIEW)
    if table is None:
        _, n_columns, n_rows = session.get(layout.MOVIE).data.shape
        return FieldOfView.whole((int(n_rows), int(n_columns)))
    bounds = {name: [int(v) for v in table[name].data[:]] for name in table.colnames[1:]}
    (n_rows, row_stop), (n_columns, column_stop) = bounds["row_stop"], bounds["column_stop"]
    row, column = bounds["row_start"][1], bounds["column_start"][1]
    if not (0 <= row < row_stop <= n_rows and 0 <= column < column_stop <= n_columns):
        raise SessionFileError(
            f"{session.path}: {layout.FIELD_OF_VIEW} says rows {row} to {row_stop} and columns "
            f"{column} to {column_stop} of a field of {n_rows} x {n_columns} pixels. A part of it "
            "was expected; the file is damaged, get a copy from before."
        )
    return FieldOfView(
        recorded=(n_rows, n_columns),
        origin=(row, column),
        shape=(row_stop - row, column_stop - column),
    )


def read_pixel_size(session: Session) -> float | None:
    """Return the side of a pixel in the tissue, um; None if the file does not say it."""
    plane = session.find(f"{layout.MOVIE}/imaging_plane")
    spacing = None if plane is None else plane.grid_spacing
    if plane is None or spacing is None or plane.grid_spacing_unit not in _UM_PER_UNIT:
        return None
    sides_um = np.asarray(spacing[:2], np.float64) * _UM_PER_UNIT[plane.grid_spacing_unit]
    is_square = np.isfinite(sides_um).all() and 0 < sides_um.min() == sides_um.max()
    return float(sides_um[0]) if is_square else None


def write_images(
    writer: SessionWriter, path: str, images: dict[str, np.ndarray], *, description: str
) -> str:
    """Write images of the analysed field, placed in the recorded one (zero outside).

    Parameters
    ----------
    writer
        The session.
    path
        "/processing/<module>/<name>" of the container; an old one is replaced.
    images
        Name -> image, shape (row, column).
    description
        What the images are.
    """
    writer.remove([path])
    field = read_field(writer)
    described = {}
    for name, image in images.items():
        _check_field(image.shape, field, name)
        whole = turn_axes(field.embed(np.asarray(image, np.float32)))
        described[name] = (_DESCRIPTIONS.get(name, f"{name} image."), np.ascontiguousarray(whole))
    create_images(writer, path, described, description=description)
    return path


def create_images(
    writer: SessionWriter,
    path: str,
    images: Mapping[str, tuple[str, np.ndarray]],
    *,
    description: str,
) -> None:
    """Create a container of images: name -> (description, image as it is stored)."""
    container = writer.create_object(path, "Images", description=description)
    for name, (text, image) in images.items():
        create_data(container, name, compressed(image), kind="GrayscaleImage", description=text)


def read_images(session: Session, path: str) -> dict[str, np.ndarray]:
    """Return name -> image of the analysed field, shape (row, column)."""
    field = read_field(session)
    images = session.get(path).images
    return {name: field.cut(turn_axes(image.data[:])) for name, image in images.items()}


def write_projections(writer: SessionWriter, images: dict[str, np.ndarray]) -> str:
    """Write the summary images: name -> (row, column) of the analysed field."""
    description = "Summary images of the motion-corrected movie over all frames."
    return write_images(writer, layout.IMAGES, images, description=description)


def read_projections(session: Session) -> dict[str, np.ndarray]:
    """Return the summary images by name, shape (row, column) of the analysed field."""
    return read_images(session, layout.IMAGES)


def write_motion(writer: SessionWriter, shifts: np.ndarray, quality: np.ndarray) -> list[str]:
    """Write the shift and the registration quality of each frame.

    Parameters
    ----------
    writer
        The session.
    shifts
        Shape (frame, 2), (row, column) pixels to add to coordinates of the raw frame.
    quality
        Shape (frame,), correlation of the corrected frame with the template.
    """
    return [
        write_series(
            writer,
            layout.MOTION_SHIFTS,
            np.asarray(shifts, np.float32)[:, ::-1],
            unit="pixels",
            description="(x, y) pixels to add to coordinates of the raw frame to correct motion.",
        ),
        write_series(
            writer,
            layout.MOTION_QUALITY,
            np.asarray(quality, np.float32),
            unit="n.a.",
            description="Correlation of the corrected frame with the template.",
        ),
    ]


def write_deviations(writer: SessionWriter, deviations: np.ndarray | None) -> list[str]:
    """Write how parts of the field deviate from the shift of the frame; None removes the old ones.

    Parameters
    ----------
    writer
        The session.
    deviations
        Shape (frame, node row, node column, 2), (row, column) pixels.
    """
    if deviations is None:
        writer.remove([layout.MOTION_DEVIATIONS])
        return []
    return [
        write_series(
            writer,
            layout.MOTION_DEVIATIONS,
            np.asarray(deviations, np.float32).swapaxes(1, 2)[..., ::-1],
            unit="pixels",
            description=(
                "(x, y) pixels to add to the shift of the frame at each node (x, y) of a grid; "
                "linear between nodes, constant beyond. The nodes are the centres of equal "
                "rectangles that cover the analysed field."
            ),
        )
    ]


def read_deviations(session: Session) -> np.ndarray | None:
    """Return the deviations, shape (frame, node row, node column, 2), or None if there are none."""
    if not session.has(layout.MOTION_DEVIATIONS):
        return None
    _, values = read_series(session, layout.MOTION_DEVIATIONS)
    return np.ascontiguousarray(values[..., ::-1].swapaxes(1, 2), np.float64)


def read_motion(session: Session) -> tuple[np.ndarray, np.ndarray]:
    """Return shifts of shape (frame, 2), (row, column) pixels, and quality of shape (frame,)."""
    _, shifts = read_series(session, layout.MOTION_SHIFTS)
    _, quality = read_series(session, layout.MOTION_QUALITY)
    return np.ascontiguousarray(shifts[:, ::-1]), quality


def _check_field(shape: tuple[int, ...], field: FieldOfView, name: str) -> None:
    """Refuse an image that is not of the analysed field."""
    if shape != field.shape:
        raise ValueError(f"{name} has shape {shape}; the analysed field has {field.shape}")
