"""A session file is plain NWB: read its results with pynwb alone.

Use: python read_results.py SESSION_NWB
"""

import sys

import numpy as np
from pynwb import NWBHDF5IO

with NWBHDF5IO(sys.argv[1], "r") as io:
    nwbfile = io.read()
    ophys = nwbfile.processing["ophys"]
    rois = ophys["ImageSegmentation"]["PlaneSegmentation"]
    accepted = np.flatnonzero(rois["accepted"][:])
    times_s = ophys["DfOverF"]["RoiResponseSeries"].timestamps
    events = nwbfile.processing["events"]["CalciumEventsDeconvolution"]
    onsets_s, roi_of_event = events["timestamp"][:], np.asarray(events["roi"].data[:])

    print(f"{len(accepted)} of {len(rois)} ROIs accepted")
    print(f"{len(times_s)} frames from {times_s[0]:.3f} to {times_s[-1]:.3f} s")
    for roi in accepted[:5]:
        print(f"ROI {roi}: {np.sum(roi_of_event == roi)} events")
