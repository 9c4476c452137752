"""Results of other programs, taken into a session file, and ours written for other programs.

Import: caiman_file.py, minian_folder.py, nwb_results.py read into `ForeignResult` (results.py);
placing.py gives it field and times, writing.py stores it. Export: caiman_file.py, tables.py,
arrays.py, movies.py.
"""

from ace_nwb.adopt.results import ForeignResult, read_results
from ace_nwb.adopt.writing import Placement, adopt

__all__ = ["ForeignResult", "Placement", "adopt", "read_results"]
