"""Running a stage: what is stale, what becomes of earlier results, what is recorded."""
