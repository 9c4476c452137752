"""Raw recordings as files on disk, with known truth beside them that the pipeline never reads.

`recording` writes a whole recording; `movie` gives movies as arrays for tests and benchmarks of
engines; `scoring` compares results with the truth.
"""
