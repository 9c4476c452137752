"""Results of other programs, taken into a session file, and ours written for other programs.

Import: caiman_file.py, minian_folder.py, nwb_results.py (which nwb_view.py tells what stands where)
read into `ForeignResult` (results.py), reading.py finds the one that can, writing.py gives it field
and times and stores it, history.py notes it; describing.py tells what a file holds. Export:
caiman_file.py, tables.py, movies.py.
"""

from ace_nwb.adopt.nwb_results import Selection
from ace_nwb.adopt.reading import holds_rois, read_for, read_results
from ace_nwb.adopt.results import ForeignResult
from ace_nwb.adopt.writing import Placement, adopt

__all__ = [
    "ForeignResult",
    "Placement",
    "Selection",
    "adopt",
    "holds_rois",
    "read_for",
    "read_results",
]
