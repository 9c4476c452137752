"""Nothing found is a result: stages that analyse ROIs have nothing to do where there are none."""

import numpy as np
import pytest

from ace_nwb.errors import NothingToDoError
from ace_nwb.stages.common import choosing


@pytest.mark.parametrize(
    ("accepted", "words"),
    [([], "Extraction has found no ROI"), ([0, 0], "None of the 2 ROIs is accepted")],
)
def test_without_an_accepted_roi_there_is_nothing_to_do(monkeypatch, accepted, words):
    table = {"id": np.arange(len(accepted)), "Accepted": np.array(accepted)}
    monkeypatch.setattr(choosing, "read_roi_table", lambda _session: table)
    with pytest.raises(NothingToDoError, match=words):
        choosing.accepted_rois(None)
