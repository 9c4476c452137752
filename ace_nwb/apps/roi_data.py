"""ROIs as the curation page sees them: footprints, outlines, traces; also ones not yet computed.

A merge or split is seen at once: its footprint is exact, its trace a preview made from those of
its sources, until the stage `regroup` measures its own.
"""

from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
from isal import isal_zlib
from scipy.sparse import csc_array

from ace_nwb.apps.session_data import SessionData
from ace_nwb.engines.regrouping import Shape, merge_shapes, split_shape
from ace_nwb.errors import CurationError
from ace_nwb.nwb import layout
from ace_nwb.nwb.content.events import list_calcium_events
from ace_nwb.nwb.content.roi_series import read_roi_table
from ace_nwb.nwb.session import Session
from ace_nwb.stages.common.curated import Curation

_KEPT_ROIS = 48  # ROIs whose answers are kept for who goes back and forth
_TABLES = (
    (layout.IMAGE_SEGMENTATION, layout.FLUORESCENCE),
    (
        f"{layout.IMAGE_SEGMENTATION}_{layout.EXTRACTED}",
        f"{layout.FLUORESCENCE}_{layout.EXTRACTED}",
    ),
)
_TEXTS = ("decision", "reviewer", "decided_at", "reason")


@dataclass(frozen=True)
class RoiPlace:
    """Where a computed ROI stands: its table, its traces, its row."""

    table: str
    traces: str
    row: int


@dataclass(frozen=True)
class RoiTraces:
    """Traces of one ROI, shape (frame,), and its shape; previews until they are computed."""

    raw: np.ndarray
    denoised: np.ndarray
    shape: Shape
    is_preview: bool


class RoiData:
    """Reads ROIs one by one and keeps the last ones.

    Parameters
    ----------
    data
        The session file.
    """

    def __init__(self, data: SessionData):
        self.data = data
        self._kept: OrderedDict[int, RoiTraces] = OrderedDict()
        self.reload()

    def reload(self) -> None:
        """Read again which ROIs there are."""
        with self.data.lock:
            self._kept.clear()
            self.places, self.table = self.data.use(_find_rois)
            self.events = self.data.use(_read_events)
            self.frame_times_s = self.data.frames.timestamps

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return len(self.frame_times_s)

    def columns(self) -> dict[str, Any]:
        """Return the numbers and flags of the ROI table by name, and the events per ROI."""
        numbers = {
            name: values
            for name, values in self.table.items()
            if name not in _TEXTS and values.dtype.kind in "fiub" and values.ndim == 1
        }
        counts = [len(self.events.get(int(roi), ())) for roi in self.table["id"]]
        return numbers | ({"n_events": np.array(counts, int)} if self.events else {})

    def footprint(self, roi: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the pixels (row-major, analysed field) of a computed ROI, and their weights."""
        place, field = self.places[roi], self.data.field
        columns, rows, weights = self.data.use(
            lambda session: read_mask(session, place.table, place.row)
        )
        rows, columns = rows - field.origin[0], columns - field.origin[1]
        is_inside = (rows >= 0) & (rows < field.shape[0])
        is_inside &= (columns >= 0) & (columns < field.shape[1])
        pixels = rows[is_inside] * field.shape[1] + columns[is_inside]
        order = np.argsort(pixels)
        return pixels[order], weights[is_inside][order]

    def traces(self, roi: int, curation: Curation) -> RoiTraces:
        """Return the traces of any ROI that stands or stood.

        Raises
        ------
        CurationError
            If there never was such a ROI.
        """
        with self.data.lock:
            if roi not in self._kept:
                self._kept[roi] = self._load(roi, curation)
            self._kept.move_to_end(roi)
            while len(self._kept) > _KEPT_ROIS:
                self._kept.popitem(last=False)
            return self._kept[roi]

    def _load(self, roi: int, curation: Curation) -> RoiTraces:
        """Read a ROI, or make the preview of one."""
        if roi in self.places:
            return self._read(roi)
        if roi not in curation.makings:
            raise CurationError(f"There is no ROI {roi}. Choose one of the list.")
        making = curation.makings[roi]
        sources = [self._load(source, curation) for source in making.sources]
        if making.line is None:
            shape = merge_shapes([source.shape for source in sources])
            shares = [
                (shape.footprint.T @ source.shape.footprint).toarray().item() for source in sources
            ]
        else:
            shape = self.half(sources[0].shape, making.line, making.side)
            shares = [(shape.footprint.T @ sources[0].shape.footprint).toarray().item()]
        raw = sum(share * source.raw for share, source in zip(shares, sources, strict=True))
        return RoiTraces(np.asarray(raw), shape.trace, shape, is_preview=True)

    def half(self, shape: Shape, line: tuple[float, float, float, float], side: int) -> Shape:
        """Return one half of a ROI; the line is in the recorded field."""
        row, column = self.data.field.origin
        inner = (line[0] - row, line[1] - column, line[2] - row, line[3] - column)
        return split_shape(shape, self.data.field.shape, inner)[side]

    def _read(self, roi: int) -> RoiTraces:
        place = self.places[roi]
        pixels, weights = self.footprint(roi)
        n_pixels = int(np.prod(self.data.field.shape))
        footprint = csc_array((weights, pixels, [0, len(pixels)]), shape=(n_pixels, 1))

        def read(session: Session) -> RoiTraces:
            raw, denoised = (
                np.asarray(session.node(f"{path}/data")[:, place.row], np.float32)
                for path in _trace_paths(session, place)
            )
            decay = float(session.node(f"{place.table}/decay_time_s")[place.row])
            return RoiTraces(raw, denoised, Shape(footprint, denoised, decay), is_preview=False)

        return self.data.use(read)


def _trace_paths(session: Session, place: RoiPlace) -> tuple[str, str]:
    """Return the series to draw, as measured and without noise; dF/F where it is all there is."""
    if session.has(place.traces):
        return f"{place.traces}/RoiResponseSeries", f"{place.traces}/Denoised"
    model = f"{layout.DECONVOLUTION}/Denoised"
    return layout.DFF_TRACES, model if session.has(model) else layout.DFF_TRACES


def read_mask(session: Session, table: str, row: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return x, y and weight of the pixels of one mask, recorded field, each of shape (pixel,)."""
    values = _read_single_chunk(session.node(f"{table}/image_mask"), row)
    # a footprint fills few lines: finding these first is ten times faster
    lines = np.flatnonzero((values.max(axis=1) != 0) | (values.min(axis=1) != 0))
    x, y = np.nonzero(values[lines])
    return lines[x], y, values[lines[x], y]


def _read_single_chunk(masks: h5py.Dataset, row: int) -> np.ndarray:
    """Read one entry; of a data set with one gzip chunk per entry without HDF5's slow filter."""
    plist = masks.id.get_create_plist()
    is_plain = plist.get_nfilters() == 1 and plist.get_filter(0)[0] == h5py.h5z.FILTER_DEFLATE
    if masks.chunks == (1, *masks.shape[1:]) and is_plain and masks.dtype.isnative:
        mask, content = masks.id.read_direct_chunk((row, 0, 0))
        if mask == 0:
            # damaged: HDF5 says so of the data set; the stub takes the class for an instance
            with suppress(isal_zlib.error, ValueError):  # type: ignore[arg-type]
                values = np.frombuffer(isal_zlib.decompress(content), masks.dtype)
                return values.reshape(masks.shape[1:])
    return np.asarray(masks[row])


def _find_rois(session: Session) -> tuple[dict[int, RoiPlace], dict[str, np.ndarray]]:
    """Return where each ROI stands, the current table first, and the current table."""
    places: dict[int, RoiPlace] = {}
    for segmentation, traces in _TABLES:
        table = f"{segmentation}/PlaneSegmentation"
        if session.has(table):
            for row, roi in enumerate(session.node(f"{table}/id")[:]):
                places.setdefault(int(roi), RoiPlace(table, traces, row))
    if not places:
        name = session.path.name
        if session.has(layout.PLANE_SEGMENTATION):
            raise CurationError(
                f"{session.path} has 0 ROIs: extraction has found none. `ace-nwb tune {name}` "
                "helps to find its thresholds."
            )
        raise CurationError(
            f"{session.path} has no ROIs to look at. Run `ace-nwb run {name}` first."
        )
    return places, read_roi_table(session)


def _read_events(session: Session) -> dict[int, np.ndarray]:
    """Return ROI id -> times of its calcium events, seconds; none if they were not detected."""
    tables = list_calcium_events(session)
    if not tables:
        return {}
    table = session.h5[tables[0]]
    times_s, rows = table["timestamp"][:], table["roi"][:]
    target = session.h5[table["roi"].attrs["table"]]
    ids = target["id"][:]
    order = np.lexsort((times_s, rows))
    starts = np.searchsorted(rows[order], np.arange(len(ids) + 1))
    return {int(roi): times_s[order[starts[row] : starts[row + 1]]] for row, roi in enumerate(ids)}
