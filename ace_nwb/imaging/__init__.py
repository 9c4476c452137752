"""Array functions on movies: crop, debleach, projections, motion, correlation images."""
