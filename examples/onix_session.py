"""An ONIX acquisition (Miniscope, RHS2116, BNO055) becomes one NWB file on its one hardware clock.

Use: python onix_session.py ACQUISITION_FOLDER META_YAML SESSION_NWB
"""

import sys
from pathlib import Path

from ace_nwb import convert, is_valid, open_session, validate

acquisition, metadata, session = map(Path, sys.argv[1:4])

convert(acquisition, session, metadata=metadata)
with open_session(session) as opened:
    for name, series in sorted(opened.nwbfile.acquisition.items()):
        print(f"{name:24s} {type(series).__name__:18s} {series.data.shape}")

print("valid" if is_valid(validate(session)) else "NOT valid")
