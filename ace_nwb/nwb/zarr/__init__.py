"""Sessions stored as Zarr."""
