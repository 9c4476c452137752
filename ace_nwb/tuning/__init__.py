"""Parameters of the extraction found from the data, without a screen.

`proposal.py` has seeds and thresholds, `sweep.py` trials on a part of the movie, `pictures.py`
their figures, `headless.py` puts them in a folder.
"""
