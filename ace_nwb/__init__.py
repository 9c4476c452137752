"""Miniscope calcium imaging and electrophysiology in one NWB file, from raw folders to findings."""
