"""Acquisition formats: one module each, NeuroConv data interfaces, folder -> NWB objects."""
