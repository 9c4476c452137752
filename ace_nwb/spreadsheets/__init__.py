"""Import of the predecessor's spreadsheets: `experiments.csv` and `analysis_parameters.csv`.

cells.py reads a cell in all its forms, columns.py says what every column means, tables.py reads
the files, sessions.py makes the manifest.
"""

from ace_nwb.spreadsheets.sessions import ImportedManifest, import_spreadsheets

__all__ = ["ImportedManifest", "import_spreadsheets"]
