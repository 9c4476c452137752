"""How numbers, times and names from a file are said in the report."""

from datetime import datetime

import numpy as np


def format_duration(duration_s: float | None) -> str:
    """Return a duration as a reader says it: 0.4 s, 12 s, 3 min 20 s, 1 h 5 min."""
    if duration_s is None or not np.isfinite(duration_s):
        return ""
    if duration_s < 9.95:
        return f"{duration_s:.1f} s"
    seconds = round(duration_s)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"


def format_time(time: datetime) -> str:
    """Return a wall-clock time with its zone."""
    zone = time.strftime("%z").replace("-", "−")
    return f"{time:%Y-%m-%d %H:%M:%S}" + (f" UTC{zone[:3]}:{zone[3:5]}" if zone else "")


def format_percent(share: float) -> str:
    """Return a share as text, without rounding a loss away."""
    if share in (0.0, 1.0):
        return f"{100 * share:.0f} %"
    value = 100 * share
    decimals = 1 if 1 <= value <= 99 else 2
    return f"{np.clip(value, 0.01, 99.99):.{decimals}f} %"


def format_signed(value: float, unit: str) -> str:
    """Return a number with its sign, a true minus, and its unit."""
    return f"{value:+.1f} {unit}".replace("-", "−")


def plain_label(text: str, *, max_length: int = 40) -> str:
    """Return text from a file as one short line that is fit for a figure."""
    line = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    return line if len(line) <= max_length else line[: max_length - 1] + "…"


def format_rate(rate_hz: float) -> str:
    """Return a sampling rate to four digits: "20 Hz", "32 kHz"."""
    return f"{rate_hz:.4g} Hz" if rate_hz < _HZ_PER_KHZ else f"{rate_hz / _HZ_PER_KHZ:.4g} kHz"


_HZ_PER_KHZ = 1000.0  # Hz
