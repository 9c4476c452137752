"""Quick images of the raw movie from a few frames, for a field that nothing was computed of yet."""

import numpy as np

from ace_nwb.apps.session_data import SessionData

_N_FRAMES = 96


def sample_projections(data: SessionData, n_frames: int = _N_FRAMES) -> dict[str, np.ndarray]:
    """Return mean, max, standard deviation of frames spread over the raw movie, whole field."""
    total = data.movie.shape[0]
    numbers = np.unique(np.linspace(0, total - 1, min(n_frames, total)).astype(int))
    sums = squares = highest = None
    for number in numbers.tolist():
        with data.lock:
            frame = data.movie.read(number, number + 1)[0].astype(np.float32)
        if sums is None or squares is None or highest is None:
            sums, squares, highest = np.zeros_like(frame), np.zeros_like(frame), frame.copy()
        sums += frame
        squares += frame**2
        np.maximum(highest, frame, out=highest)
    if sums is None or squares is None or highest is None:
        return {}
    mean = sums / len(numbers)
    spread = np.sqrt(np.maximum(squares / len(numbers) - mean**2, 0))
    return {"mean": mean, "max": highest, "std": spread}
