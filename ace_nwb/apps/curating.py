"""The page `curate`: what it may ask about ROIs, and the decisions it may make."""

from dataclasses import asdict
from pathlib import Path
from threading import RLock
from typing import Any

import numpy as np

from ace_nwb.apps.app import App, Body, Query, Reply, array_reply, json_reply
from ace_nwb.apps.clips import ClipReader, to_bytes
from ace_nwb.apps.outlines import bin_edges, centre_of, thin_out, trace_outline
from ace_nwb.apps.roi_data import RoiData
from ace_nwb.apps.session_data import SessionData, grey_levels
from ace_nwb.apps.stage_runner import StageRunner
from ace_nwb.curation import Curation, Decision, Draft, decide
from ace_nwb.errors import CurationError
from ace_nwb.nwb.history import current_runs
from ace_nwb.nwb.session import Session
from ace_nwb.stages.common.curated import read_curation
from ace_nwb.stages.running.execution import SessionState
from ace_nwb.stages.running.status import decision_inputs, stage_statuses

IMAGES = ("mean", "max", "correlation", "peak_to_noise", "std", "range", "median", "min")
_MOST_BINS = 4000  # points of a trace per answer: a screen of 3,840 columns shows no more
_MOST_DRAFTS = 2000  # decisions in one request: more ROIs than a miniscope's field holds


def build_curate_app(path: Path, *, reviewer: str = "") -> App:
    """Return the page that curates the ROIs of a session file.

    Parameters
    ----------
    path
        The session file.
    reviewer
        Name that the page starts with.

    Raises
    ------
    CurationError
        If the file has no ROIs.
    """
    desk = CurationDesk(path, reviewer)
    return App(
        page="curate",
        title=f"{path.name} - curate",
        reads={
            "/api/session": desk.session,
            "/api/rois": desk.rois,
            "/api/outlines": desk.outlines,
            "/api/image": desk.image,
            "/api/trace": desk.trace,
            "/api/clip": desk.clip,
            "/api/decisions": desk.decisions,
            "/api/run": lambda _query: json_reply(desk.runner.state()),
        },
        writes={"/api/decide": desk.decide, "/api/run": lambda _body: desk.run()},
        close=desk.close,
    )


class CurationDesk:
    """The state behind the page: the open file, its ROIs, and the decisions so far."""

    def __init__(self, path: Path, reviewer: str):
        self.path = path
        self.reviewer = reviewer
        self.lock = RLock()
        self.data = SessionData(path)
        try:
            self.curation: Curation = self.data.use(read_curation)
            self.history = self.data.use(_read_history)
            self.roi_data = RoiData(self.data)
            self.clips = ClipReader(self.data)
        except BaseException:
            self.data.close()
            raise
        self.runner = StageRunner(path, self.reload)
        self.generation = 0
        self._outlines: dict[int, tuple[tuple[float, float], list[np.ndarray]]] = {}

    def close(self) -> None:
        """End what is under way and close the file."""
        self.runner.stop()
        self.data.close()

    def reload(self) -> None:
        """Read everything anew: stages have run, or another program has written."""
        with self.lock, self.data.lock:
            self.data.close()
            self.curation = self.data.use(read_curation)
            self.history = self.data.use(_read_history)
            self.roi_data.reload()
            self.clips = ClipReader(self.data)
            self._outlines.clear()
            self.generation += 1

    def session(self, _query: Query) -> Reply:
        """Tell what the page shows: field, frames, images, names."""
        times_s = self.roi_data.frame_times_s
        images = self.data.images()
        return json_reply(
            {
                "file": self.path.name,
                "reviewer": self.reviewer,
                "reviewers": self.curation.reviewers,
                "field_shape": self.data.field.shape,
                "origin": self.data.field.origin,
                "n_frames": len(times_s),
                "start_s": times_s[0],
                "stop_s": times_s[-1],
                "images": [name for name in IMAGES if name in images],
                "generation": self.generation,
            }
        )

    def rois(self, _query: Query) -> Reply:
        """Give the numbers of every ROI of the table by name."""
        return json_reply({"columns": self.roi_data.columns(), "generation": self.generation})

    def image(self, query: Query) -> Reply:
        """Give a summary image as bytes."""
        images = self.data.images()
        name = query["name"]
        if name not in images:
            raise CurationError(f"There is no image {name[:40]!r}. Known: {', '.join(images)}.")
        return array_reply({"image": grey_levels(images[name])})

    def outlines(self, query: Query) -> Reply:
        """Give outlines and centres of ROIs: of those named, or of a stretch of all."""
        wanted = self._wanted(query)
        found = [self._outline(roi) for roi in wanted]
        lines = [(index, line) for index, (_, parts) in enumerate(found) for line in parts]
        points = np.concatenate([line for _, line in lines]) if lines else np.zeros((0, 2))
        return array_reply(
            {
                "roi": np.array(wanted, np.int32),
                "centre": np.array([centre for centre, _ in found], np.float32).reshape(-1, 2),
                "owner": np.array([index for index, _ in lines], np.int32),
                "length": np.array([len(line) for _, line in lines], np.int32),
                "points": points.astype(np.float32),
            },
            n_rois=len(self.curation.active),
        )

    def trace(self, query: Query) -> Reply:
        """Give the traces of a ROI between two frames, thinned to a number of bins."""
        roi = int(query["roi"])
        traces = self.roi_data.traces(roi, self.curation)
        times_s = self.roi_data.frame_times_s
        start = min(max(0, int(query.get("start", 0))), len(times_s) - 1)
        stop = max(start + 1, min(int(query.get("stop", len(times_s))), len(times_s)))
        n_bins = min(max(1, int(query.get("bins", 1000))), _MOST_BINS)
        curves = {
            "raw": traces.raw,
            "denoised": traces.denoised,
            "residual": traces.raw - traces.denoised,
        }
        events_s = self.roi_data.events.get(roi, np.zeros(0))
        frames = np.clip(np.searchsorted(times_s, events_s), 0, len(times_s) - 1)
        return array_reply(
            {name: thin_out(curve, start, stop, n_bins) for name, curve in curves.items()}
            | {
                "time_s": times_s[bin_edges(start, stop, n_bins)],
                "events_s": events_s,
                "event_heights": traces.denoised[np.minimum(frames + 2, len(times_s) - 1)],
            },
            roi=roi,
            start=start,
            stop=stop,
            limits={name: [curve.min(), curve.max()] for name, curve in curves.items()},
            is_preview=traces.is_preview,
        )

    def clip(self, query: Query) -> Reply:
        """Give a clip around a ROI and a time: as it is, and as difference from its median."""
        self._require_movie("show")
        roi = int(query["roi"])
        footprint = self.roi_data.traces(roi, self.curation).shape.footprint
        rows, columns = np.divmod(footprint.indices, self.data.field.shape[1])
        clip = self.clips.read(rows, columns, float(query["time"]))
        change = clip.frames - np.median(clip.frames, axis=0)
        return array_reply(
            {
                "movie": to_bytes(clip.frames),
                "change": to_bytes(change),
                "time_s": self.roi_data.frame_times_s[clip.numbers],
            },
            roi=roi,
            row=clip.row,
            column=clip.column,
        )

    def decisions(self, query: Query) -> Reply:
        """Give the decisions from a number on, what stands, and which stages are stale."""
        self._look_again()
        since = int(query.get("since", 0))
        return json_reply(self._news(since) | {"stale": self._stale(query)})

    def decide(self, body: Body) -> Reply:
        """Make decisions; they are safe in the file before this answers."""
        drafts = [_read_draft(item, str(body["reviewer"])) for item in body["decisions"]]
        if not 0 < len(drafts) <= _MOST_DRAFTS:
            raise CurationError(f"{len(drafts)} decisions came; 1 to {_MOST_DRAFTS} were expected.")
        since = int(body["seen"])
        with self.lock:
            self._check_shapes(drafts)
            is_alone = self.data.is_current
            made = decide(self.path, drafts, seen=since)
            if is_alone and made[0].number == len(self.curation.decisions):
                self.data.keep()
                self.curation = self.curation.with_decisions(made)
            else:  # another program has written as well
                self.reload()
        return json_reply(self._news(since))

    def run(self) -> Reply:
        """Start the stale stages."""
        return json_reply(self.runner.start())

    def _check_shapes(self, drafts: list[Draft]) -> None:
        """Refuse ROIs that could not be measured, before it is written."""
        for draft in drafts:
            if draft.action in ("merge", "split"):
                self._require_movie("measure the new ROI in")
            if draft.action == "split" and draft.line and len(draft.rois) == 1:
                shape = self.roi_data.traces(draft.rois[0], self.curation).shape
                self.roi_data.half(shape, draft.line, 0)

    def _require_movie(self, purpose: str) -> None:
        """Refuse what needs a movie where there is none."""
        if self.data.use(lambda session: session.lacks_movie):
            raise CurationError(f"{self.path.name} holds no movie to {purpose}.")

    def _news(self, since: int) -> dict[str, Any]:
        curation = self.curation
        made = {
            roi: {"sources": making.sources, "line": making.line}
            for roi, making in curation.makings.items()
        }
        return {
            "decisions": [_tell(d) for d in curation.decisions[since:]],
            "undone": sorted(curation.undone),
            "active": curation.active,
            "made": made,
            "outcomes": {roi: curation.outcome(roi) for roi in curation.votes},
            "disagreements": curation.disagreements(),
            "seen": len(curation.decisions),
            "generation": self.generation,
        }

    def _stale(self, query: Query) -> list[dict[str, str]] | None:
        """Return the stale stages if the page asks for them."""
        if query.get("stages") != "yes":
            return None
        known = self.history.runs | decision_inputs(self.curation)
        statuses = stage_statuses(known, self.history.recording)
        return [{"stage": s.stage, "reason": s.reason} for s in statuses if s.state == "stale"]

    def _look_again(self) -> None:
        """Read everything anew if another program has changed the file."""
        is_running = self.runner.state()["state"] == "running"
        with self.lock:
            if not is_running and not self.data.is_current:
                self.reload()

    def _wanted(self, query: Query) -> list[int]:
        if "rois" in query:
            return [int(roi) for roi in query["rois"].split(",")][:_MOST_DRAFTS]
        first, count = int(query.get("first", 0)), int(query.get("count", 200))
        return list(self.curation.active[first : first + count])

    def _outline(self, roi: int) -> tuple[tuple[float, float], list[np.ndarray]]:
        """Return centre and outline of a ROI, from memory if possible."""
        if roi not in self._outlines:
            shape = self.data.field.shape
            if roi in self.roi_data.places:
                pixels, weights = self.roi_data.footprint(roi)
            else:
                footprint = self.roi_data.traces(roi, self.curation).shape.footprint
                pixels, weights = footprint.indices, footprint.data
            centre = centre_of(pixels, weights, shape[1])
            self._outlines[roi] = centre, trace_outline(pixels, weights, shape)
        return self._outlines[roi]


def _read_history(session: Session) -> SessionState:
    """Return what has been run, without the decisions, which change all the time."""
    return SessionState(current_runs(session), session.identifier)


def _read_draft(item: Body, reviewer: str) -> Draft:
    """Turn what the page sent into a draft."""
    line = item.get("line")
    if line is not None:
        line = tuple(float(value) for value in line)
        if len(line) != 4 or not np.isfinite(line).all():
            raise CurationError("A dividing line has a row and a column at either end.")
    if item["action"] not in ("accept", "reject", "unsure", "merge", "split", "undo"):
        raise CurationError("There is no such decision. Known: accept, reject, unsure, merge, "
                            "split, undo.")  # fmt: skip
    return Draft(
        action=item["action"],
        rois=tuple(int(roi) for roi in item.get("rois", ())),
        reviewer=reviewer,
        reason=str(item.get("reason", "")),
        line=line,
        undoes=int(item.get("undoes", -1)),
    )


def _tell(decision: Decision) -> dict[str, Any]:
    return asdict(decision)
