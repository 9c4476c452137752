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
    dff = ophys["DfOverF"]["RoiResponseSeries"]
    events = nwbfile.processing["events"]["CalciumEventsDeconvolution"]

    print(f"{len(accepted)} of {len(rois)} ROIs accepted")
    print(
        f"{dff.data.shape[0]} frames from {dff.timestamps[0]:.3f} s to {dff.timestamps[-1]:.3f} s"
    )
    for roi in accepted[:5]:
        times = events["timestamp"][:][np.asarray(events["roi"].data[:]) == roi]
        print(
            f"ROI {roi}: {len(times)} events, first at {times[0] if len(times) else np.nan:.3f} s"
        )
