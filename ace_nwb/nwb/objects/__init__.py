"""Groups, datasets, tables and links of an open HDF5 file."""
