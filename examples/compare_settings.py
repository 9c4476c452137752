"""Two extractions side by side in one file, and what tells them apart.

For whoever tunes, or compares engines: give {"engine": "caiman"} to run the real CaImAn, where
`ace-nwb doctor` finds it.

Use: python compare_settings.py SESSION_NWB
"""

import sys
from pathlib import Path

from ace_nwb import Replacement, is_valid, open_session, process, validate

session = Path(sys.argv[1])

process(
    session,
    "extract",
    {"cell_diameter_px": 14.0},
    replacement=Replacement(keep_as="first"),
)
process(session, "evaluate")

with open_session(session) as opened:
    tables = opened.nwbfile.processing["ophys"]
    for name in ("ImageSegmentation_first", "ImageSegmentation"):
        rois = tables[name]["PlaneSegmentation"].to_dataframe()
        print(f"{name:24s} {len(rois)} ROIs, {rois['accepted'].sum()} accepted")

print("valid" if is_valid(validate(session)) else "NOT valid")
