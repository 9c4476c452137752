"""CNMF-E in our own code: neurons of a one-photon movie (Zhou et al. 2018).

`extraction.py` has the order of the steps; `seeds.py`, `background.py`, `footprints.py`,
`traces.py`, `merging.py` the steps; `passes.py` the walks through the movie.
"""

from ace_nwb.engines.cnmfe.extraction import extract

__all__ = ["extract"]
