"""Figures of the tuning: seeds on their images, thresholds, patches, trials. Arrays in, PNG out."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ace_nwb.imaging.cropping import CropBox
from ace_nwb.nwb.commit.new_file import new_file
from ace_nwb.tuning.proposal import Proposal, patch_limits
from ace_nwb.tuning.sweep import Trial

_SEED_COLOUR, _REST_COLOUR, _BOX_COLOUR = "#ff4d4d", "#8a8a8a", "#4dd2ff"
_MAX_MARKED = 3000  # marks; more hide the image


def draw_seeds(proposal: Proposal, box: CropBox | None, path: Path) -> None:
    """Draw the correlation and peak-to-noise images with the chosen seeds and the trial's box."""
    images = proposal.images
    figure = _figure(13, 4.6)
    pictures = {
        "local correlation": images.correlation,
        "peak-to-noise": images.peak_to_noise,
        "correlation x peak-to-noise": images.correlation * images.peak_to_noise,
    }
    for number, (title, image) in enumerate(pictures.items(), start=1):
        panel = figure.add_subplot(1, 3, number)
        top = max(float(np.quantile(image, 0.998)), 1e-9)
        shown = panel.imshow(image, cmap="magma", vmin=0, vmax=top, interpolation="nearest")
        figure.colorbar(shown, ax=panel, shrink=0.8)
        seeds = proposal.seeds[:_MAX_MARKED]
        panel.plot(seeds[:, 1], seeds[:, 0], "+", color=_BOX_COLOUR, ms=4, mew=0.8)
        if box is not None:
            _draw_box(panel, box)
        panel.set(title=title, xlabel="column (px)", ylabel="row (px)")
    limits = proposal.thresholds
    figure.suptitle(
        f"{len(proposal.seeds)} seeds at cell diameter {proposal.cell_diameter_px:g} px, "
        f"correlation >= {limits.min_correlation:.2f}, "
        f"peak-to-noise >= {limits.min_peak_to_noise:.2f}"
    )
    _save(figure, path)


def draw_histograms(proposal: Proposal, path: Path) -> None:
    """Draw the values of all candidate seeds with the thresholds."""
    correlation, peak_to_noise = proposal.candidate_values
    limits = proposal.thresholds
    is_seed = (correlation >= limits.min_correlation) & (peak_to_noise >= limits.min_peak_to_noise)
    figure = _figure(13, 4.2)
    sides = (
        ("local correlation", correlation, limits.min_correlation),
        ("peak-to-noise", peak_to_noise, limits.min_peak_to_noise),
    )
    for number, (name, values, limit) in enumerate(sides, start=1):
        panel = figure.add_subplot(1, 3, number)
        top = max(float(np.quantile(values, 0.995)) if len(values) else 1.0, 1.2 * limit)
        bins = np.linspace(0, top, 50).tolist()
        panel.hist(
            [np.clip(values[~is_seed], 0, top), np.clip(values[is_seed], 0, top)],
            bins=bins,
            stacked=True,
            color=[_REST_COLOUR, _SEED_COLOUR],
            label=["no seed", "seed"],
        )
        panel.axvline(limit, color="k", lw=1, label=f"threshold {limit:.2f}")
        panel.set(xlabel=name, ylabel="local maxima")
        panel.legend(frameon=False)
    panel = figure.add_subplot(1, 3, 3)
    for chosen, colour in ((~is_seed, _REST_COLOUR), (is_seed, _SEED_COLOUR)):
        panel.plot(correlation[chosen], peak_to_noise[chosen], ".", ms=3, color=colour)
    panel.axvline(limits.min_correlation, color="k", lw=1)
    panel.axhline(limits.min_peak_to_noise, color="k", lw=1)
    panel.set(xlabel="local correlation", ylabel="peak-to-noise", yscale="log")
    _save(figure, path)


def draw_patches(image: np.ndarray, path: Path, *, radius_px: int, overlap_px: int) -> None:
    """Draw the quilt of patches that CaImAn cuts the field into."""
    figure = _figure(6, 5.4)
    panel = figure.add_subplot(1, 1, 1)
    panel.imshow(image, cmap="gray", interpolation="nearest")
    sides = [patch_limits(n, radius_px=radius_px, overlap_px=overlap_px) for n in image.shape]
    for top, bottom in sides[0]:
        for left, right in sides[1]:
            _draw_box(panel, CropBox(top, bottom, left, right), is_filled=True)
    panel.set(
        title=f"{len(sides[0])} x {len(sides[1])} patches of {2 * radius_px + 1} px, "
        f"overlap {overlap_px + 1} px",
        xlabel="column (px)",
        ylabel="row (px)",
    )
    _save(figure, path)


def draw_trials(results: Sequence[Trial], best: Trial, path: Path) -> None:
    """Draw what every trial found."""
    names = [trial_name(trial) for trial in results]
    columns: dict[str, list[float]] = {
        "accepted ROIs": [trial.n_accepted for trial in results],
        "all ROIs": [trial.n_rois for trial in results],
        "median SNR": [trial.median_snr for trial in results],
        "median r value": [trial.median_r_value for trial in results],
        "score": [trial.score for trial in results],
    }
    figure = _figure(13, 0.9 + 0.42 * len(results))
    colours = [_SEED_COLOUR if trial is best else _REST_COLOUR for trial in results]
    for number, (title, values) in enumerate(columns.items(), start=1):
        panel = figure.add_subplot(1, len(columns), number)
        panel.barh(range(len(results)), np.nan_to_num(np.array(values)), color=colours)
        panel.set_yticks(range(len(results)), names if number == 1 else [""] * len(results))
        panel.invert_yaxis()
        panel.set_title(title)
    _save(figure, path)


def trial_name(trial: Trial) -> str:
    """Return a short name: what is changed, and to what."""
    if not trial.changed:
        return "as proposed"
    return f"{trial.changed} {getattr(trial, trial.changed):g}"


def _draw_box(panel: Axes, box: CropBox, *, is_filled: bool = False) -> None:
    n_rows, n_columns = box.shape
    corner = (box.column_start - 0.5, box.row_start - 0.5)
    face, edge = ("#4dd2ff26", _BOX_COLOUR) if is_filled else ("none", "white")
    panel.add_patch(
        Rectangle(corner, n_columns, n_rows, linewidth=1, facecolor=face, edgecolor=edge)
    )


def _figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _save(figure: Figure, path: Path) -> None:
    with new_file(path, replace=True) as stream:
        figure.savefig(stream, format="png", dpi=110, metadata={"Software": "ace_nwb"})
