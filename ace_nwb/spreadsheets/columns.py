"""What every column of the predecessor's spreadsheets means, and where it goes.

Names are compared in lower case. Columns that are not listed here are kept as texts.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ace_nwb.spreadsheets import cells

KEY = "line number"


@dataclass(frozen=True)
class Column:
    """A column that is understood.

    Parameters
    ----------
    read
        Turns the text of a cell into a value, or raises `CellError`.
    targets
        Stage parameters it becomes, as "stage.parameter".
    convert
        From the value of the cell to that of the parameter.
    is_path
        Whether it names folders of this computer, which no session file repeats.
    """

    read: cells.Reader
    targets: tuple[str, ...] = ()
    convert: Callable[[Any], Any] = lambda value: value
    is_path: bool = False


def _largest(pair: tuple[float, float]) -> int:
    """Return the larger of two shifts as whole pixels."""
    return round(max(pair))


def _diameter(pair: tuple[float, float]) -> float:
    """Return the diameter that the predecessor gave a cell of Gaussian width gSig."""
    return 4 * max(pair)


def _inner_diameter(pair: tuple[float, float]) -> float:
    """Return the diameter of a cell from the window gSiz, which is one pixel wider."""
    return max(pair) - 1


def _radius(pair: tuple[float, float]) -> float:
    """Return the radius of a structure of Gaussian width gSig_filt."""
    return max(pair) * 12 / 7


_DIAMETERS = ("summary.cell_diameter_px", "extract.cell_diameter_px")

EXPERIMENT_COLUMNS: dict[str, Column] = {
    KEY: Column(cells.read_line_number),
    "id": Column(cells.read_text),
    "date (yymmdd)": Column(cells.read_date),
    "calcium imaging directory": Column(cells.read_paths, is_path=True),
    "ephys directory": Column(cells.read_paths, is_path=True),
    "rat weight (kg)": Column(cells.read_number),
    "systemic drug": Column(cells.read_text),
    "systemic dose (% or mg/kg/min)": Column(cells.read_text),
    "systemic drug concentration (mg/ml)": Column(cells.read_number),
    "total systemic time (min)": Column(cells.read_number),
    "emg channel": Column(cells.read_text),
    "events filename": Column(cells.read_text),
    "lfp and eeg cscs": Column(cells.read_names),
    "comments": Column(cells.read_text),
    "box calcium folder id": Column(cells.read_text),
    "box ephys folder id": Column(cells.read_text),
}

_FLAGS = (
    *("update_background_components", "normalize_init", "center_psf", "del_duplicates"),
    *("low_rank_background", "only_init", "use_cnn", "shifts_opencv"),
)
_NUMBERS = (
    *("k", "nb", "border_pix", "nb_patch"),
    *("ca_ephys_baseline_video_num", "ca_ephys_slow_wave_video_num"),
    "ca_ephys_burst_suppression_video_num",
)

PARAMETER_COLUMNS: dict[str, Column] = {
    KEY: Column(cells.read_line_number),
    "decay_time": Column(cells.read_number, ("extract.decay_time_s",)),
    "p": Column(cells.read_count, ("extract.autoregressive_order",)),
    "gsig": Column(cells.read_pair, _DIAMETERS, _diameter),
    "gsiz": Column(cells.read_pair, _DIAMETERS, _inner_diameter),
    "ring_size_factor": Column(cells.read_number, ("extract.ring_size_factor",)),
    "min_corr": Column(cells.read_number, ("extract.min_correlation",)),
    "min_pnr": Column(cells.read_number, ("extract.min_peak_to_noise",)),
    "merge_thr": Column(cells.read_number, ("extract.merge_correlation",)),
    "min_snr": Column(cells.read_number, ("evaluate.min_snr",)),
    "rval_thr": Column(cells.read_number, ("evaluate.min_r_value",)),
    "max_shifts": Column(cells.read_pair, ("motion.max_shift_px",), _largest),
    "gsig_filt": Column(cells.read_pair, ("motion.filter_radius_px",), _radius),
    "strides": Column(cells.read_pair, ("motion.patch_size_px",), max),
    "overlaps": Column(cells.read_pair),
    **{name: Column(cells.read_flag) for name in _FLAGS},
    "pw_rigid": Column(cells.read_flag, ("motion.piecewise",)),
    **{name: Column(cells.read_number) for name in _NUMBERS},
    "max_deviation_rigid": Column(cells.read_number, ("motion.max_deviation_px",)),
    "tsub": Column(cells.read_count, ("extract.caiman_temporal_downsampling",)),
    "ssub": Column(cells.read_count, ("extract.caiman_spatial_downsampling",)),
    "ssub_b": Column(cells.read_count, ("extract.caiman_background_downsampling",)),
    "rf": Column(cells.read_count, ("extract.caiman_patch_radius_px",)),
    "stride": Column(cells.read_count, ("extract.caiman_patch_overlap_px",)),
    "method_deconvolution": Column(cells.read_text),
    "method_init": Column(cells.read_text),
    "border_nan": Column(cells.read_text),
    "indices of ttl events to delete": Column(cells.read_list),
    "zero time (s)": Column(cells.read_number),
    "baseline period (min)": Column(cells.read_baseline),
    "periods of high slow wave power (s)": Column(cells.read_periods),
    "control periods (s)": Column(cells.read_periods),
    "crop": Column(cells.read_box),
    "crop_square": Column(cells.read_box),
    "crop_coords": Column(cells.read_box),
    "comments": Column(cells.read_text),
    # the predecessor repeats these in both files
    "id": Column(cells.read_text),
    "date (yymmdd)": Column(cells.read_text),
    "calcium imaging directory": Column(cells.read_text, is_path=True),
    "ephys directory": Column(cells.read_text, is_path=True),
    "box calcium folder id": Column(cells.read_text),
    "box ephys folder id": Column(cells.read_text),
}

CROP_COLUMNS = ("crop_coords", "crop", "crop_square")
"""Where a box may stand; the first that holds one counts."""
