"""What an ideal observer of a simulated session can know about the place of its frames.

It knows everything about how sessions are drawn (the priors of `draw_faults`, the law of the
jitter, the latency's range, where the clock jumped, its exact course) and weighs every whole-frame
shift of every stretch between clock jumps exactly: by the pulses left over at both ends, the record
press, DAQ numbers and losses at jumps, pauses, and (with texture) what the irregularity of single
intervals does to the time stamps. Only strays that stand on the lattice by chance are left out. A
stretch is identifiable if the true shift has a posterior of at least 0.999; no method can align
others without a doubt, and one that must learn clock, jitter and rates from the data aligns less.

`python -m tests.benchmarks.sync_alignment --first-seed 120000 --json outcomes.json`, then
`python -m tests.benchmarks.sync_ideal outcomes.json` compares session by session.
"""

import argparse
import json
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from scipy.special import logsumexp

from tests.sync.sessions import Faults, Recording, draw_faults, draw_jitter, simulate

_AT_ENDS, _LOSES = 0.15, 0.6  # of `draw_faults`
_MAX_LATENCY_S = 0.01
_SURE = 0.999
_NEVER = -1e3
_BEYOND = 3


@dataclass(frozen=True)
class Knowable:
    """Rows whose place can be known, and the least posterior of the truth."""

    is_known: np.ndarray
    least_posterior: float


def find_knowable(recording: Recording, *, is_mild: bool, with_texture: bool = True) -> Knowable:
    """Return which rows of a session an ideal observer could place to the frame."""
    faults, saved = recording.faults, recording.saved
    has_pulse = np.flatnonzero(_pulse_deviation(recording) != np.inf)
    first, last = int(has_pulse[0]), int(has_pulse[-1])
    before, after = int(saved[0]) - first, last - int(saved[-1])
    shifts = np.arange(-max(before, 0) - _BEYOND, max(after, 0) + _BEYOND + 1)
    starts = _segment_starts(recording)
    scores = np.array([_score_rows(recording, shifts, a, b) for a, b in pairwise(starts)])
    if not with_texture:
        scores = np.where(scores <= _NEVER, _NEVER, 0.0)
    links = [_score_jump(recording, shifts, row) for row in starts[1:-1]]
    ends = _score_ends(recording, shifts, before, after, most=_most_lost(faults, is_mild))
    posterior = _posterior(scores, links, ends, zero=int(np.flatnonzero(shifts == 0)[0]))
    known = np.repeat(posterior >= _SURE, np.diff(starts))
    return Knowable(known, float(posterior.min()))


def compare(outcomes: Iterable[dict]) -> None:
    """Print what could be known in the sessions of the acceptance line, and what was aligned."""
    eligible = [o for o in outcomes if o["group"].startswith("up to") and "late" not in o["group"]]
    n_frames = sum(o["n_frames"] for o in eligible)
    print(f"{len(eligible)} eligible sessions, {n_frames} frames")
    for with_texture in (False, True):
        known, unflagged, n_known, refused = 0.0, 0, 0, []
        for outcome in eligible:
            seed = outcome["seed"]
            is_mild = np.random.default_rng([seed, 77]).random() < 0.5  # as draw_faults does
            recording = simulate(draw_faults(seed), seed=seed)
            found = find_knowable(recording, is_mild=is_mild, with_texture=with_texture)
            known += float(found.is_known.sum())
            if found.is_known.all():
                n_known += 1
                unflagged += outcome["unflagged"]
                refused += [seed] if outcome["refused"] else []
        print(
            f"{'with' if with_texture else 'without'} texture: {known / n_frames:.3%} of frames "
            f"and {n_known} sessions identifiable, {len(refused)} of these refused {refused}; "
            f"unflagged {unflagged / n_frames:.3%} of all eligible frames"
        )


def main() -> None:
    """Compare outcomes of the benchmark with what can be known."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("outcomes", type=Path, help="written by sync_alignment --json")
    compare(json.loads(parser.parse_args().outcomes.read_text()))


def _most_lost(faults: Faults, is_mild: bool) -> int:
    return max(1, round(faults.n_captured * (0.003 if is_mild else 0.02)))


def _pulse_deviation(recording: Recording) -> np.ndarray:
    """Return how far each captured frame's pulse stands from a straight lattice; inf if missing."""
    period = 1 / recording.faults.fps
    deviation = np.full(recording.clock_s.size, np.inf)
    captured, pulses = recording.captured_s, recording.pulse_times_s
    nearest = np.clip(np.searchsorted(pulses, captured), 1, pulses.size - 1)
    nearest -= captured - pulses[nearest - 1] < pulses[nearest] - captured
    own = np.abs(pulses[nearest] - captured) < 2e-5
    lattice = captured[0] + period * np.arange(captured.size)
    deviation[own] = (pulses[nearest] - lattice)[own]
    return deviation


def _segment_starts(recording: Recording) -> list[int]:
    """Return the first row of each stretch between clock jumps, and the number of rows."""
    slope = 1 + recording.faults.drift_ppm * 1e-6
    step = np.diff(recording.clock_s) - slope * np.diff(recording.captured_s)
    jumps = np.flatnonzero(np.abs(step) > 0.05) + 1
    rows = np.unique(np.searchsorted(recording.saved, jumps))
    return [0, *(r for r in rows.tolist() if 0 < r < recording.saved.size), recording.saved.size]


def _score_rows(recording: Recording, shifts: np.ndarray, start: int, stop: int) -> np.ndarray:
    """Return the log likelihood of the time stamps of a stretch under each shift."""
    faults, saved = recording.faults, recording.saved[start:stop]
    step = np.diff(recording.captured_s)
    paused = np.flatnonzero(step > 2 / faults.fps)
    if np.any((paused >= saved[0]) & (paused < saved[-1])):
        return np.where(shifts == 0, 0.0, _NEVER)
    lateness = np.sort(draw_jitter(faults, 200_000, np.random.default_rng(0)))
    deviation = _pulse_deviation(recording)
    deviation[np.isinf(deviation)] = 0.0
    exact = recording.captured_s - recording.captured_s[0]
    exact = exact - np.arange(exact.size) / faults.fps
    smooth = recording.clock_s - exact  # the clock at the lattice
    tick = recording.device_time_s[start:stop]
    score = np.zeros(shifts.size)
    for k, shift in enumerate(shifts):
        frame = np.clip(saved + shift, 0, exact.size - 1)
        own = deviation[frame] - np.median(deviation[frame] - exact[saved])
        late = tick - smooth[saved] - own
        high = np.searchsorted(lateness, late + 5e-4) / lateness.size
        low = np.searchsorted(lateness, late - 5e-4) / lateness.size
        score[k] = np.log(high - low + 1e-5).sum()
    return score - score.max()


def _score_jump(recording: Recording, shifts: np.ndarray, row: int) -> np.ndarray:
    """Return the log probability of the shift after a jump (column) by that before it (row)."""
    faults = recording.faults
    true_loss = int(recording.saved[row] - recording.saved[row - 1]) - 1
    lost = true_loss + shifts[None, :] - shifts[:, None]
    numbers = recording.daq_frame
    if numbers is not None and min(numbers[row - 1], numbers[row]) >= 0:
        return np.where(lost == true_loss, 0.0, _NEVER)
    rate = max(faults.lost, 1e-9)
    burst = 0.15 if faults.lost_in_bursts else 0.9
    some = np.log(rate) + np.log(burst) + (lost - 1) * np.log(1 - burst)
    return np.where(lost == 0, 0.0, np.where(lost > 0, some, _NEVER))


def _score_ends(
    recording: Recording, shifts: np.ndarray, before: int, after: int, *, most: int
) -> np.ndarray:
    """Return the log probability of the shift at the start (row) and at the end (column)."""
    faults, period = recording.faults, 1 / recording.faults.fps
    missing = max(faults.missing, 1e-9)
    loses = [np.zeros((shifts.size, 2)) for _ in range(2)]  # nothing lost by plan, or by chance
    for k, shift in enumerate(shifts):
        for more in range(3):
            left = max(before + shift, 0) + more
            first_s = recording.clock_s[recording.saved[0]] - left * period
            weight = missing ** (left - before - shift) * _press(first_s, period)
            loses[0][k] += weight * _losing(left, most)
            left = max(after - shift, 0) + more
            loses[1][k] += missing ** (left - after + shift) * _losing(left, most)
    with np.errstate(divide="ignore"):
        start, end = (np.log(lost) for lost in loses)
    joint = start[:, None, :] + end[None, :, :] + np.log([1 - _AT_ENDS, _AT_ENDS])
    return np.maximum(logsumexp(joint, axis=2), _NEVER)


def _losing(n_lost: int, most: int) -> np.ndarray:
    """Return the probability of so many frames lost at an end: none planned, or some."""
    some = (1 - _LOSES) if n_lost == 0 else _LOSES / most if n_lost <= most else 0.0
    return np.array([float(n_lost == 0), some])


def _press(first_s: float, period: float) -> float:
    """Return the density of the first capture: any instant of a frame, plus any latency."""
    low, high = max(0.0, first_s - _MAX_LATENCY_S), min(period, first_s)
    return max(high - low, 0.0) / period / _MAX_LATENCY_S


def _posterior(
    scores: np.ndarray, links: list[np.ndarray], ends: np.ndarray, *, zero: int
) -> np.ndarray:
    """Return the posterior of shift 0 of each stretch; both ends are weighed together."""
    n_segments, n_shifts = scores.shape
    chance = np.zeros(n_segments)
    # forward from each first shift: chains are short
    forward = np.full((n_segments, n_shifts, n_shifts), _NEVER)
    forward[0][np.diag_indices(n_shifts)] = scores[0]
    for g, link in enumerate(links, start=1):
        forward[g] = logsumexp(forward[g - 1][:, :, None] + link, axis=1) + scores[g]
    backward = ends  # first shift, shift here -> everything behind
    total = logsumexp(forward[-1] + ends)
    for g in range(n_segments - 1, -1, -1):
        chance[g] = np.exp(logsumexp(forward[g][:, zero] + backward[:, zero]) - total)
        if g > 0:
            behind = (scores[g] + backward)[:, None, :] + links[g - 1][None, :, :]
            backward = logsumexp(behind, axis=2)
    return chance


if __name__ == "__main__":
    main()
