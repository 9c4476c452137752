"""Movies of scopes as imaging extractors of roiextractors."""

import numpy as np
from roiextractors import ImagingExtractor

from ace_nwb.interfaces.imaging_recording import DeviceRecording
from ace_nwb.interfaces.movie_source import MovieFiles
from ace_nwb.interfaces.stamps import median_interval


class MovieExtractor(ImagingExtractor):
    """The movie of one scope, frame by frame, with the times of its frames.

    Parameters
    ----------
    device
        As a format's reader returns it.
    """

    extractor_name = "AceNwbMovie"

    def __init__(self, device: DeviceRecording) -> None:
        super().__init__()
        self._device = device
        self._movie = MovieFiles(device.probes)
        self.set_times(device.movie_times_s)

    def get_image_shape(self) -> tuple[int, int]:
        """Return (n_rows, n_columns)."""
        return self._movie.shape[1:]

    def get_num_samples(self) -> int:
        """Return the number of frames."""
        return self._movie.shape[0]

    def get_sampling_frequency(self) -> float:
        """Return frames per second by the median interval; 0 for a single frame."""
        interval_s = median_interval(self._device.movie_times_s)
        return 1 / interval_s if interval_s > 0 else 0.0

    def get_dtype(self) -> np.dtype:
        """Return the type of the pixels."""
        return self._movie.dtype

    def get_channel_names(self) -> list[str]:
        """Return the one channel."""
        return ["OpticalChannel"]

    def get_native_timestamps(
        self, start_sample: int | None = None, end_sample: int | None = None
    ) -> np.ndarray:
        """Return the times of frames, device clock unless they were aligned, s."""
        return self._device.movie_times_s[start_sample:end_sample]

    def get_series(
        self, start_sample: int | None = None, end_sample: int | None = None
    ) -> np.ndarray:
        """Return frames, shape (frame, row, column)."""
        stop = self.get_num_samples() if end_sample is None else end_sample
        return self._movie.read(start_sample or 0, stop)
