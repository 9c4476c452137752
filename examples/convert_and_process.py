"""From raw folders to a session file in Python, with one parameter of our own.

Use: python convert_and_process.py RECORDING_FOLDER EPHYS_FOLDER META_YAML SESSION_NWB
"""

import sys
from pathlib import Path

from ace_nwb import convert, process, run, status

recording, ephys, metadata, session = map(Path, sys.argv[1:5])

convert(recording, session, ephys_folder=ephys, metadata=metadata)
process(session, "sync")
process(session, "motion", {"max_shift_px": 15})
process(session, "extract", {"cell_diameter_px": 12.0})
process(session, "dff", {"window_s": 8.0})
process(session, "spectrogram", {"window_s": 5.0, "step_s": 1.0})
run(session)  # whatever is not done yet, with the parameters chosen above

for stage in status(session):
    print(f"{stage.stage:12s} {stage.state}")
