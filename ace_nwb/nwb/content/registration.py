"""Which cell of a project each ROI of a session is, and how its field lies in the reference's."""

from dataclasses import dataclass

import h5py
import numpy as np

from ace_nwb.imaging.storage import turn_axes
from ace_nwb.nwb import layout
from ace_nwb.nwb.content.imaging import create_images
from ace_nwb.nwb.editing import SessionWriter
from ace_nwb.nwb.objects.columns import read_columns
from ace_nwb.nwb.objects.writing import region
from ace_nwb.nwb.reading import Session

_ROI = "ROI of this session."
PATHS = (
    layout.SESSION_REGISTRATION,
    layout.SESSION_MATCHES,
    layout.SESSION_ALIGNMENT,
    layout.SESSION_DISPLACEMENT,
)


@dataclass(frozen=True)
class RegisteredSession:
    """What the registration of a project says about one session.

    Parameters
    ----------
    rois
        Rows of the ROI table that took part, shape (roi,).
    cells
        Cell of the project that each is, shape (roi,).
    n_sessions
        In how many sessions the cell was found, shape (roi,).
    probability
        Mean probability of the cell's links, NaN if it is alone, shape (roi,).
    matches
        (roi, other session, its roi, probability), one per partner.
    reference, reference_identifier
        The session that all are aligned to.
    matrix
        Shape (2, 3): reference = matrix[:, :2] @ own + matrix[:, 2], (row, column), pixels.
    similarity
        Correlation of the cells' pictures with the reference before and after the alignment.
    jitter_px
        Standard deviation of the offset of a cell after it, along an axis.
    warp_px
        Standard deviation of the displacement along an axis.
    p_chance
        Probability that a field of another place fits the reference as well.
    no_common_field
        Names of the sessions without a common field with this one; without one with the
        reference, the alignment is the identity. Jitter, warp and p are NaN for the reference.
    displacement
        (row, column) added after the affine part, at each pixel, shape (row, column, 2).
    """

    rois: np.ndarray
    cells: np.ndarray
    n_sessions: np.ndarray
    probability: np.ndarray
    matches: list[tuple[int, str, int, float]]
    reference: str
    reference_identifier: str
    matrix: np.ndarray
    similarity: tuple[float, float]
    jitter_px: float
    warp_px: float
    p_chance: float
    no_common_field: str
    displacement: np.ndarray


def write_registration(writer: SessionWriter, result: RegisteredSession) -> list[str]:
    """Write it, replacing that of an earlier run; return the paths."""
    writer.remove(PATHS)
    table = writer.node(layout.PLANE_SEGMENTATION)
    columns = {
        "roi": (_ROI, region(table, result.rois)),
        "cell": ("Number of the cell in the project.", result.cells),
        "n_sessions": ("Sessions with this cell.", result.n_sessions),
        "probability": (
            "Mean probability of the cell's pairs, NaN for a cell of one session.",
            result.probability,
        ),
    }
    text = "Cells that ROIs of several sessions were found to be."
    writer.create_table(layout.SESSION_REGISTRATION, text, columns)
    written = [layout.SESSION_REGISTRATION, layout.SESSION_ALIGNMENT, layout.SESSION_DISPLACEMENT]
    if result.matches:
        _write_matches(writer, table, result)
        written.append(layout.SESSION_MATCHES)
    _write_alignment(writer, result)
    _write_displacement(writer, result.displacement)
    return written


def read_registration(session: Session) -> dict[str, np.ndarray]:
    """Return roi, cell, n_sessions, probability of the ROIs that took part."""
    table = session.get(layout.SESSION_REGISTRATION)
    return {"roi": np.asarray(table["roi"].data[:]), **read_columns(table)}


def read_matches(session: Session) -> dict[str, np.ndarray]:
    """Return roi, session, other_roi, probability of every pair; empty if there is none."""
    table = session.find(layout.SESSION_MATCHES)
    if table is None:
        names = ("roi", "session", "other_roi", "probability")
        return {name: np.zeros(0, int) for name in names}
    return {"roi": np.asarray(table["roi"].data[:]), **read_columns(table)}


def _write_matches(writer: SessionWriter, table: h5py.Group, result: RegisteredSession) -> None:
    """Write one row per ROI and partner."""
    rois, names, others, probability = zip(*result.matches, strict=True)
    columns = {
        "roi": (_ROI, region(table, rois)),
        "session": ("File name of the other session.", list(names)),
        "other_roi": ("Row of its ROI table.", np.array(others, int)),
        "probability": ("Probability that they are one cell.", np.array(probability, float)),
    }
    text = "The ROIs of other sessions that are the same cell."
    writer.create_table(layout.SESSION_MATCHES, text, columns)


def _write_alignment(writer: SessionWriter, result: RegisteredSession) -> None:
    """Write the affine part and how well it fits, in one row."""
    entries = {
        f"{axis}_from_{source}": result.matrix[i, j]
        for i, axis in enumerate(("row", "column"))
        for j, source in enumerate(("row", "column", "offset"))
    }
    columns = {name: ("Affine map into the reference.", [value]) for name, value in entries.items()}
    writer.create_table(
        layout.SESSION_ALIGNMENT,
        "How the field of this session lies in that of the reference: an affine map, then the "
        "displacement of SessionDisplacement.",
        {
            "reference": ("File name of the reference session.", [result.reference]),
            "reference_identifier": ("Its identifier.", [result.reference_identifier]),
            **columns,
            "similarity_before": ("Correlation of the cells' pictures.", [result.similarity[0]]),
            "similarity_after": ("The same after the affine map.", [result.similarity[1]]),
            "jitter_px": ("Offset of cells that is left, SD along an axis.", [result.jitter_px]),
            "warp_px": ("Displacement, SD along an axis.", [result.warp_px]),
            "p_chance": ("That a field of another place fits as well.", [result.p_chance]),
            "no_common_field": (
                "File names of the sessions without a common field.",
                [result.no_common_field],
            ),
        },
    )


def _write_displacement(writer: SessionWriter, displacement: np.ndarray) -> None:
    """Write the displacement along both axes as images of the recorded field."""
    images = {
        axis: (
            f"Displacement along the {axis}s, px.",
            np.ascontiguousarray(turn_axes(displacement[..., index]), np.float32),
        )
        for index, axis in enumerate(("row", "column"))
    }
    text = "Displacement after the affine map, at each pixel of this session."
    create_images(writer, layout.SESSION_DISPLACEMENT, images, description=text)
