"""What the parameters of all stages share; the parameters themselves are in `params`."""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class StageParams(BaseModel):
    """Parameters of one stage: frozen, unknown names refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


Rois = Literal["accepted", "all"]
ROIS = "Which ROIs are analysed."
CHANNELS = "Ephys channels analysed, with commas between; all if not given."
SEED = "Seed of the random numbers."
