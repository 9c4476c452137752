"""What others wrote into a session file that stages could use, or that stands in their places."""

from dataclasses import dataclass

from ace_nwb.nwb.layout import BESIDE
from ace_nwb.nwb.ownership import free_name
from ace_nwb.nwb.places import list_contents
from ace_nwb.nwb.session import Session
from ace_nwb.stages.running.replacement import foreign_paths
from ace_nwb.stages.table import STAGES


@dataclass(frozen=True)
class ForeignObject:
    """An object that we did not write: its path, its NWB type, and what it means for stages."""

    path: str
    kind: str
    remark: str


def list_foreign(session: Session) -> list[ForeignObject]:
    """Return what others wrote, as far as it concerns stages, in the order of their paths."""
    remarks: dict[str, str] = {}
    for stage in STAGES.values():
        for path in foreign_paths(session, stage):
            ours = session.beside.get(path)
            place = f"ours stands in {ours}" if ours else f"ours will be {_beside(session, path)}"
            remarks[path] = f"has the place of what {stage.name} writes; {place}"
    kinds = {path: one["type"] for path, one in list_contents(session)["objects"].items()}
    for path, kind in kinds.items():
        if kind == "PlaneSegmentation" and not session.is_own(path):
            name = session.path.name
            remarks[path] = f"ROIs; `ace-nwb adopt {name} {name}` takes them over for later stages"
    return [ForeignObject(path, kinds.get(path, ""), remarks[path]) for path in sorted(remarks)]


def _beside(session: Session, path: str) -> str:
    return free_name(session.h5, path, BESIDE)
