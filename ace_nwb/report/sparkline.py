"""Small pictures without axes for the verdict cards, written as SVG by hand."""

import numpy as np

WIDTH, HEIGHT = 160, 30
MAX_POINTS = 110


def sparkline(values: np.ndarray) -> str:
    """Return a series as a small filled band between each bin's least and greatest value.

    Parameters
    ----------
    values
        Series, shape (point,); NaN are left out.

    Returns
    -------
    str
        An inline SVG, empty if there is nothing to draw.
    """
    finite = values[np.isfinite(values)]
    if len(finite) < 2:
        return ""
    bins = np.array_split(finite, min(MAX_POINTS, len(finite)))
    low = np.array([part.min() for part in bins])
    high = np.array([part.max() for part in bins])
    bottom, top = low.min(), high.max()
    scale = (HEIGHT - 4) / (top - bottom) if top > bottom else 0.0
    x = np.linspace(1, WIDTH - 1, len(bins))
    upper = HEIGHT - 2 - scale * (high - bottom)
    lower = HEIGHT - 2 - scale * (low - bottom)
    forth = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, upper, strict=True))
    back = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x[::-1], lower[::-1], strict=True))
    return (
        f'<svg class="spark" viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" '
        f'aria-hidden="true"><polygon points="{forth} {back}"/></svg>'
    )
