"""The ways in which stage `sync` aligns the clocks."""
