"""From a finished session to a dandiset folder that dandi accepts, without sending anything.

Use: python publish.py SESSION_NWB META_YAML DANDISET_FOLDER DANDISET_NUMBER
"""

import sys
from pathlib import Path

from ace_nwb import describe, prepare_dandiset

session, metadata, folder = map(Path, sys.argv[1:4])

describe(session, metadata)
dandiset = prepare_dandiset(folder, [session], number=sys.argv[4])

for prepared in dandiset.sessions:
    for item in prepared.missing:
        print(f"{item.need}: {item.place} is {item.found}; expected {item.expected}")
    print(f"{prepared.source.name} -> {prepared.asset}")
for finding in dandiset.findings:
    print(f"{finding.location}: {finding.message}")
print("ready for upload" if dandiset.is_ready else "NOT ready for upload")
