"""What the traces of ROIs say of them: signal over noise, and whether they rise like calcium."""

import numpy as np

from ace_nwb.imaging.binning import BIN_DURATION_S, bin_factor, bin_traces
from ace_nwb.imaging.segmentation import Segmentation

_ROIS_PER_BATCH = 32  # ROIs at once: bounds memory


def peak_to_noise(segmentation: Segmentation, frame_rate_hz: float) -> np.ndarray:
    """Return the highest denoised value over the noise SD at 0.2 s resolution, shape (roi,)."""
    factor = bin_factor(frame_rate_hz)
    denoised = bin_widened(segmentation.denoised, factor)
    rest = bin_widened(segmentation.raw, factor) - denoised
    noise = np.mean(np.abs(np.diff(rest, axis=0)), axis=0) * np.sqrt(np.pi) / 2
    height = denoised.max(0) - np.median(denoised, axis=0)
    return np.divide(height, noise, out=np.zeros_like(height), where=noise > 0)


def rise_asymmetry(segmentation: Segmentation, frame_rate_hz: float) -> np.ndarray:
    """Return the skewness of the changes of each trace, without noise, shape (roi,).

    Changes are over 0.2 s, or the usual decay time where that is shorter.

    Calcium rises at once and decays slowly: few changes are large, and these go up. Out-of-focus
    light swells and ebbs alike. Noise adds to the second moment of the changes only, which is
    therefore taken from the denoised trace.
    """
    usual_decay_s = float(np.median(segmentation.decay_time_s))
    factor = bin_factor(frame_rate_hz, min(BIN_DURATION_S, usual_decay_s))
    changes = np.diff(bin_widened(segmentation.raw, factor), axis=0)
    changes -= changes.mean(0)
    spread = np.diff(bin_widened(segmentation.denoised, factor), axis=0).std(0)
    third = np.mean(changes**3, axis=0)
    return np.divide(third, spread**3, out=np.zeros_like(third), where=spread > 0)


def bin_widened(traces: np.ndarray, factor: int) -> np.ndarray:
    """Return traces averaged over `factor` frames, float64; few are widened at a time."""
    starts = range(0, traces.shape[1], _ROIS_PER_BATCH)
    few = (traces[:, first : first + _ROIS_PER_BATCH].astype(float) for first in starts)
    return np.hstack([bin_traces(part, factor) for part in few])
