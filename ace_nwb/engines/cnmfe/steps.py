"""Progress of an extraction: steps of about equal length, each made of passes over the movie."""

from ace_nwb.imaging.movie import ProgressCallback

_FINENESS = 1000  # parts of a step that progress can show


class Steps:
    """Counts steps, and the blocks within their passes, for a progress callback.

    Parameters
    ----------
    progress
        Called with (parts done, number of parts).
    total
        Number of steps; finishing early is allowed.
    """

    def __init__(self, progress: ProgressCallback, total: int) -> None:
        self.progress, self.total, self.done = progress, total, 0

    def advance(self, n_steps: int = 1) -> None:
        """Finish steps."""
        self.done = min(self.done + n_steps, self.total)
        self._tell(self.done)

    def finish(self) -> None:
        """Finish all steps."""
        self.done = self.total
        self._tell(self.done)

    def of(self, number: int, n_passes: int) -> ProgressCallback:
        """Return the callback of a pass of the present step, counted from 0."""

        def tell(done: int, of: int) -> None:
            self._tell(self.done + (number + done / max(of, 1)) / n_passes)

        return tell

    def _tell(self, done: float) -> None:
        self.progress(int(_FINENESS * min(done, self.total)), _FINENESS * self.total)
