"""What a stage works on: names chosen in a parameter, the ROIs that were accepted."""

from collections.abc import Sequence

import numpy as np

from ace_nwb.errors import NothingToDoError, UnknownNameError
from ace_nwb.nwb import layout
from ace_nwb.nwb.content.roi_series import read_roi_series, read_roi_table
from ace_nwb.nwb.session import Session
from ace_nwb.stages.running.context import StageContext

_MOST_NAMED = 5  # rows in a remark


def choose_names(kind: str, wanted: str | None, known: Sequence[str]) -> list[str]:
    """Return the names listed in a parameter, in the order of the file; all if none are.

    Parameters
    ----------
    kind
        What the names are, for the message.
    wanted
        Names with commas between them, or None.
    known
        The names in the file.

    Raises
    ------
    UnknownNameError
        If a name does not exist; the message lists the known ones.
    """
    if wanted is None:
        return list(known)
    names = [name.strip() for name in wanted.split(",") if name.strip()]
    for name in names:
        if name not in known:
            raise UnknownNameError.among(kind, name, known)
    return [name for name in known if name in names]


def final_acceptance(table: dict[str, np.ndarray]) -> np.ndarray:
    """Return which ROIs of a table are accepted: by reviewers, else by the evaluation, else all."""
    everyone = np.ones(len(table["id"]))
    return np.asarray(table.get("Accepted", table.get("accepted", everyone)), bool)


def accepted_rois(session: Session) -> np.ndarray:
    """Return the rows of the accepted ROIs, all before the evaluation.

    Raises
    ------
    NothingToDoError
        If none was found, or none is accepted.
    """
    table = read_roi_table(session)
    accepted = final_acceptance(table)
    if not len(accepted):
        raise NothingToDoError(
            "Extraction has found no ROI, so there is nothing to analyse. That is a result; if "
            "cells can be seen, `ace-nwb tune` helps to find the thresholds of the extract stage."
        )
    if not accepted.any():
        raise NothingToDoError(
            f"None of the {len(accepted)} ROIs is accepted, so there is nothing to analyse. Lower "
            "the thresholds of the evaluate stage, or look at the report why."
        )
    return np.flatnonzero(accepted)


def read_dff(
    session: Session, rois: np.ndarray, context: StageContext
) -> tuple[np.ndarray, np.ndarray]:
    """Return the dF/F of some ROIs, shape (frame, roi), and their rows; those without any left out.

    A ROI without a baseline has no dF/F: what is made of all ROIs together must not end with it.

    Raises
    ------
    NothingToDoError
        If none has any.
    """
    traces = read_roi_series(session, layout.DFF_TRACES)[:, rois]
    has_values = np.isfinite(traces).any(axis=0)
    if not has_values.any() and len(rois):
        raise NothingToDoError(
            f"None of the {len(rois)} ROIs has dF/F, so nothing can be analysed."
        )
    if not has_values.all():
        lost = ", ".join(map(str, rois[~has_values][:_MOST_NAMED]))
        more = " ..." if np.sum(~has_values) > _MOST_NAMED else ""
        context.remarks.append(
            f"{np.sum(~has_values)} of {len(rois)} ROIs (rows {lost}{more}) have no dF/F and are "
            "left out"
        )
    return traces[:, has_values], rois[has_values]
