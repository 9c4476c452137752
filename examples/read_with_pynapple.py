"""Traces, phase and calcium events of a session file as pynapple objects on one clock.

pynapple finds every series by itself. It has no reader for NWB's events tables yet, so these
become a group of time stamps, one member per ROI, in three lines.

Use: python read_with_pynapple.py SESSION_NWB
"""

import sys

import pynapple as nap

from ace_nwb import open_session, read_events

path = sys.argv[1]
data = nap.load_file(path)
traces = data["DfOverF/RoiResponseSeries"]
phase = data["CalciumPhase"]

with open_session(path) as session:
    times_s, columns = read_events(session, "/processing/events/CalciumEventsDeconvolution")
events = nap.TsGroup({roi: nap.Ts(times_s[columns["roi"] == roi]) for roi in set(columns["roi"])})

print(f"traces: {traces.shape[0]} frames, {traces.shape[1]} ROIs at {traces.rate:.2f} Hz")
print(f"phase: {phase.shape[1]} ROIs, {phase.start_time():.3f} to {phase.end_time():.3f} s")
print(f"events: {sum(len(member) for member in events.values())} of {len(events)} ROIs")
