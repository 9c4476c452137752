"""What the alignment leaves open, told by every stage whose result depends on it."""

from ace_nwb.nwb import layout
from ace_nwb.nwb.content.sync import read_clock_fit
from ace_nwb.nwb.session import Session
from ace_nwb.stages.running.context import StageContext


def remark_ambiguity(session: Session, context: StageContext) -> None:
    """Say in the history of the run that calcium and ephys may stand some frames apart.

    Parameters
    ----------
    session
        The open session; without an alignment, or with one that is sure, nothing is said.
    context
        Takes the remark.
    """
    if not session.has(layout.CLOCK_FIT):
        return
    fit = read_clock_fit(session)
    if str(fit["verdict"][0]) != "ambiguous":
        return
    said = str(fit["reasons"][0]).split(";")[0]
    context.remarks.append(
        f"The alignment is {said}. All lags and phases between calcium and ephys may be off by "
        "that; measure the rig (frames_before_first_edge) and repeat sync to settle it"
    )
