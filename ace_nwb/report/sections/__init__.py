"""The sections of the report, one file each: what is read of the session, judged, drawn and worded.

All times are seconds on the session clock. What a stage has not made yet is None or empty.
"""
