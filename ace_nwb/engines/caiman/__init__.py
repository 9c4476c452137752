"""The real CaImAn as an engine (Giovannucci et al. 2019), in its own environment and process.

`extraction.py` and `motion.py` are what stages call; `parameters.py` has the table of names,
`environment.py` finds CaImAn, `process.py` runs `child.py` there, `exchange.py` turns axes.
"""

from ace_nwb.engines.caiman.extraction import extract
from ace_nwb.engines.caiman.motion import estimate_motion

__all__ = ["estimate_motion", "extract"]
