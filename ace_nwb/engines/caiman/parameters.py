"""Our parameters in CaImAn's words: one table to read, and what is fixed for one-photon movies.

CaImAn's names are those of its `CNMFParams` groups.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

SIGMA_PER_DIAMETER = 0.25
"""CaImAn's Gaussian width of a cell: its customary 3 px go with cells of 12 px."""

SIGMA_PER_RADIUS = 7 / 12
"""The same for the radius of the structures that guide registration; 7 px for 12 px moved
simulated one-photon frames best, 3 px (CaImAn's custom) failed in noise."""

DEFAULTS = {"min_correlation": 0.6, "min_peak_to_noise": 6.0, "decay_time_s": 0.4}
"""What CaImAn is given where our parameter is left to the data, which CaImAn cannot do.

The thresholds are those with which it found most cells on simulated movies; its decay time is a
guess for the evaluation, the time constant of each trace is always estimated.
"""


@dataclass(frozen=True)
class Translation:
    """One parameter of ours and where it goes in CaImAn.

    Parameters
    ----------
    name
        Name in our stage parameters, without the prefix `caiman_`.
    group, caiman_name
        Group and name in `CNMFParams`.
    convert
        From our value to CaImAn's.
    """

    name: str
    group: str
    caiman_name: str
    convert: Callable[[Any], Any] = lambda value: value


def _sigma(diameter_px: float) -> int:
    return max(1, round(SIGMA_PER_DIAMETER * diameter_px))


def _filter_sigma(radius_px: float) -> int:
    return max(1, round(SIGMA_PER_RADIUS * radius_px))


EXTRACTION = (
    Translation("cell_diameter_px", "init", "gSig", lambda d: [_sigma(d)] * 2),
    Translation("cell_diameter_px", "init", "gSiz", lambda d: [4 * _sigma(d) + 1] * 2),
    Translation("min_correlation", "init", "min_corr"),
    Translation("min_peak_to_noise", "init", "min_pnr"),
    Translation("ring_size_factor", "init", "ring_size_factor"),
    Translation("merge_correlation", "merging", "merge_thr"),
    Translation("autoregressive_order", "preprocess", "p"),
    Translation("autoregressive_order", "temporal", "p"),
    Translation("decay_time_s", "data", "decay_time"),
    Translation("temporal_downsampling", "init", "tsub"),
    Translation("spatial_downsampling", "init", "ssub"),
    Translation("background_downsampling", "init", "ssub_B"),
    Translation("patch_radius_px", "patch", "rf"),
    Translation("patch_overlap_px", "patch", "stride"),
    Translation("min_snr", "quality", "min_SNR"),
    Translation("min_r_value", "quality", "rval_thr"),
)
"""Parameters of the extract stage."""

MOTION = (
    Translation("max_shift_px", "motion", "max_shifts", lambda s: [s, s]),
    Translation("filter_radius_px", "motion", "gSig_filt", lambda r: [_filter_sigma(r)] * 2),
)
"""Parameters of the motion stage."""

FIXED_EXTRACTION: dict[str, dict[str, Any]] = {
    "init": {
        "K": None,
        "nb": 0,
        "method_init": "corr_pnr",
        "center_psf": True,
        "normalize_init": False,
    },
    "patch": {
        "nb_patch": 0,
        "only_init": True,
        "low_rank_background": None,
        "del_duplicates": True,
        "border_pix": 0,
    },
    "spatial": {"update_background_components": True},
    "temporal": {"method_deconvolution": "oasis"},
    "quality": {"use_cnn": False},
}
"""CNMF-E as CaImAn's authors set it up: a ring background, neurons found in patches."""

FIXED_MOTION: dict[str, dict[str, Any]] = {"motion": {"pw_rigid": False, "border_nan": "copy"}}
"""Rigid registration; frames at the border repeat their last pixel."""


def translate(
    table: tuple[Translation, ...],
    parameters: dict[str, Any],
    *,
    fixed: dict[str, dict[str, Any]],
    frame_rate_hz: float,
) -> dict[str, dict[str, Any]]:
    """Return CaImAn's nested parameter groups for our parameters.

    Parameters
    ----------
    table
        `EXTRACTION` or `MOTION`.
    parameters
        Our names and values; None is replaced by `DEFAULTS` where it has an entry.
    fixed
        Groups that do not depend on our parameters.
    frame_rate_hz
        Of the movie.

    Raises
    ------
    KeyError
        If a parameter of the table is missing.
    """
    groups = {name: dict(values) for name, values in fixed.items()}
    groups.setdefault("data", {})["fr"] = frame_rate_hz
    for entry in table:
        value = parameters[entry.name]
        if value is None:
            value = DEFAULTS.get(entry.name)
        converted = None if value is None else entry.convert(value)
        groups.setdefault(entry.group, {})[entry.caiman_name] = converted
    return groups
