"""NeuroConv data interface of ephys recordings: `ephys_objects` makes their NWB objects."""

import warnings
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from neuroconv import BaseTemporalAlignmentInterface
from neuroconv.utils import DeepDict
from pydantic import DirectoryPath
from pynwb import NWBFile

from ace_nwb.errors import (
    AceNwbWarning,
    EphysError,
    MissingPackageError,
    SeveralSegmentsError,
    TimestampError,
)
from ace_nwb.interfaces.alignment import align_ephys, check_aligned, place_stream
from ace_nwb.interfaces.arrays import ArrayPlacer
from ace_nwb.interfaces.base import object_name
from ace_nwb.interfaces.ephys_objects import (
    add_electrodes,
    add_kinds,
    add_samples,
    series_name,
)
from ace_nwb.interfaces.ephys_recording import EphysRecording, SampleStream
from ace_nwb.interfaces.imaging_objects import add_clock_facts
from ace_nwb.interfaces.imaging_recording import parse_zone
from ace_nwb.interfaces.neuroconv_metadata import (
    ECEPHYS_SCHEMA,
    ecephys_metadata,
    electrical_series_entries,
    electrode_group_entry,
)
from ace_nwb.interfaces.nwb_objects import add_events
from ace_nwb.interfaces.policies import (
    Policies,
    check_allowed,
    parse_policies,
    without_folder,
)


class EphysInterface(BaseTemporalAlignmentInterface):
    """Converts the samples, digital lines and messages of an ephys system.

    Its timestamps are those of the first stream of electrodes, which `recording_extractor` gives
    too; where they are aligned, everything else of the recording moves with them.

    Parameters
    ----------
    folder_path
        Folder of the recording.
    policies
        Name -> choice of what to do where the recording is irregular.
    timezone
        Zone in which the start time is to be written, where the system knows it.
    verbose
        Kept for NeuroConv; nothing is printed.
    """

    def __init__(
        self,
        folder_path: DirectoryPath,
        policies: dict | None = None,
        timezone: str | None = None,
        verbose: bool = False,
    ) -> None:
        super().__init__(folder_path=str(folder_path), verbose=verbose)
        self.recording = self.read(Path(folder_path), parse_policies(policies))
        self._placed: Sequence[float | np.ndarray] | None = None
        self._extractor: Any = None
        self._zone = parse_zone(timezone)
        check_allowed(self.recording.irregularities)
        for sentence in self.recording.told():
            warnings.warn(sentence, AceNwbWarning, stacklevel=2)

    def read(self, folder_path: Path, policies: Policies) -> EphysRecording:
        """Read one recording; every format has its own."""
        raise NotImplementedError

    def get_metadata_schema(self) -> dict:
        """Return NeuroConv's schema, with what can be said of electrodes and series."""
        schema = super().get_metadata_schema()
        schema["properties"]["Ecephys"] = deepcopy(ECEPHYS_SCHEMA)
        return schema

    def get_metadata(self) -> DeepDict:
        """Return when the recording began, if its time zone is known, and what can be described."""
        metadata = super().get_metadata()
        start = self.recording.start_time
        if start is not None and start.tzinfo is not None:
            local = start if self._zone is None else start.astimezone(self._zone)
            metadata["NWBFile"]["session_start_time"] = local
        if self.recording.electrodes:
            metadata["Ecephys"] = ecephys_metadata(_electrode_series(self.recording))
        return metadata

    @property
    def metadata_key(self) -> str:
        """Key of the first stream of electrodes in `Ecephys.ElectricalSeries`."""
        return self.recording.streams[self._main].name

    @property
    def recording_extractor(self) -> Any:
        """The first stream of electrodes as a recording of SpikeInterface, with its times.

        Raises
        ------
        MissingPackageError
            If SpikeInterface is not installed.
        """
        if self._extractor is None:
            try:
                from ace_nwb.interfaces.recording_extractor import StreamRecording
            except ImportError as error:
                raise MissingPackageError(
                    f"A recording extractor is an object of SpikeInterface ({error}). It was "
                    'expected; install it with: pip install "ace-nwb[ephys]".'
                ) from error
            stream = self._stream
            names = [self.recording.electrodes[row].name for row in stream.electrodes]
            self._extractor = StreamRecording(stream, names)
        return self._extractor

    @property
    def channel_ids(self) -> np.ndarray:
        """Names of the channels of the first stream of electrodes."""
        return self.recording_extractor.get_channel_ids()

    def get_original_timestamps(self) -> np.ndarray | list[np.ndarray]:
        """Return the times as recorded of the samples, s; a list where there are segments."""
        return _times_of(self.recording.streams[self._main])

    def get_timestamps(self) -> np.ndarray | list[np.ndarray]:
        """Return the times of the samples as they will be written, s; a list of segments."""
        return _times_of(self._stream)

    def set_aligned_timestamps(self, aligned_timestamps: np.ndarray) -> None:
        """Set the time (s) of every sample of a recording without gaps.

        Raises
        ------
        SeveralSegmentsError
            If it has gaps.
        TimestampError
            If there is not one time for each sample.
        """
        if self._number_of_segments > 1:
            raise SeveralSegmentsError(self._number_of_segments)
        self.set_aligned_segment_timestamps([aligned_timestamps])

    def set_aligned_segment_timestamps(self, aligned_segment_timestamps: list[np.ndarray]) -> None:
        """Set the time (s) of every sample of each segment."""
        segments = self.recording.streams[self._main].segments
        _check_segments(len(aligned_segment_timestamps), len(segments))
        self._place(
            [
                check_aligned(times_s, segment.samples.shape[0], what="samples")
                for times_s, segment in zip(aligned_segment_timestamps, segments, strict=True)
            ]
        )

    def set_aligned_starting_time(self, aligned_starting_time: float) -> None:
        """Shift everything by so many seconds."""
        self.set_aligned_segment_starting_times([aligned_starting_time] * self._number_of_segments)

    def set_aligned_segment_starting_times(
        self, aligned_segment_starting_times: list[float]
    ) -> None:
        """Shift each segment by so many seconds."""
        segments = self._stream.segments
        _check_segments(len(aligned_segment_starting_times), len(segments))
        self._place(
            [
                segment.shift_s + shift_s if segment.times_s is None else segment.times_s + shift_s
                for segment, shift_s in zip(segments, aligned_segment_starting_times, strict=True)
            ]
        )

    def align_by_interpolation(
        self, unaligned_timestamps: np.ndarray, aligned_timestamps: np.ndarray
    ) -> None:
        """Set the times of all segments by times (s) that are known on both clocks."""
        times = self.get_timestamps()
        self.set_aligned_segment_timestamps(
            [
                np.interp(times_s, unaligned_timestamps, aligned_timestamps)
                for times_s in (times if isinstance(times, list) else [times])
            ]
        )

    @property
    def _main(self) -> int:
        """Place of the first stream of electrodes."""
        for at, stream in enumerate(self.recording.streams):
            if stream.electrodes and stream.segments:
                return at
        raise EphysError(
            f"{self.recording.folder_path} holds no samples of electrodes. They were expected, as "
            "timestamps and extractor are theirs; lines and inputs are converted without them."
        )

    @property
    def _number_of_segments(self) -> int:
        """Gap-free stretches of the first stream of electrodes."""
        return len(self.recording.streams[self._main].segments)

    @property
    def _stream(self) -> SampleStream:
        """The first stream of electrodes, with its times."""
        stream = self.recording.streams[self._main]
        return stream if self._placed is None else place_stream(stream, self._placed)

    def _place(self, placed: Sequence[float | np.ndarray]) -> None:
        """Keep where each segment is: a shift of the times as recorded, or the times."""
        self._placed = placed
        self._extractor = None

    def describe_content(self) -> str:
        """Return facts that tell this recording from any other, whatever its folder is called."""
        return "\n".join(self.recording.content)

    def remarks(self) -> list[str]:
        """Return what was left out, in sentences without paths."""
        return without_folder(self.recording.told(), self.recording.folder_path)

    def add_to_nwbfile(  # more arguments than we allow: each is an option of NeuroConv's
        self,
        nwbfile: NWBFile,
        metadata: dict | None = None,
        *,
        stub_test: bool = False,
        stub_samples: int = 100,
        always_write_timestamps: bool = False,
        iterator_type: Literal["v2"] | None = "v2",
        iterator_options: dict | None = None,
    ) -> None:
        """Add all objects; samples are read while the file is written.

        Parameters
        ----------
        nwbfile
            The open file.
        metadata
            NeuroConv metadata; `Ecephys` may describe electrode group and series, in lists or
            dictionaries, or hold our own location, description and channels.
        stub_test
            Write the first `stub_samples` samples of each series only, to try a conversion.
        stub_samples
            Samples of a stub.
        always_write_timestamps
            Write a time for each sample even where they are regular.
        iterator_type
            "v2" to read samples while the file is written, None to read them into memory.
        iterator_options
            Of hdmf's iterator: `buffer_gb`, `display_progress` and others.
        """
        placer = ArrayPlacer(
            deferred=False,
            most_rows=stub_samples if stub_test else None,
            in_memory=iterator_type is None,
            iterator_options=iterator_options or {},
            has_all_times=always_write_timestamps,
        )
        stated = self.get_metadata() if metadata is None else metadata
        self.add_objects(nwbfile, stated, placer=placer)

    def add_objects(
        self,
        nwbfile: NWBFile,
        metadata: dict,
        *,
        placer: ArrayPlacer,
        nwb_folder: Path | None = None,  # noqa: ARG002 - one signature for all interfaces
    ) -> None:
        """Add all objects, the large arrays as `placer` decides."""
        recording, source = self.recording, self.recording.system.name
        if self._placed is not None:
            recording = align_ephys(recording, recording.streams[self._main], self._placed)
        first_row = 0
        if recording.electrodes:
            entry = electrode_group_entry(metadata)
            first_row = add_electrodes(nwbfile, recording, ecephys=entry)
        streams = _described(recording, metadata)
        facts = []
        for stream in streams:
            for index, segment in enumerate(stream.segments):
                name = series_name(stream, index)
                data = placer.place(f"/acquisition/{name}/data", segment.samples, title="ephys")
                if segment.times_s is None and not placer.has_all_times:
                    start_s = segment.start_s + segment.shift_s
                    times = {"starting_time": start_s, "rate": stream.rate_hz}
                else:
                    times = placer.times(segment.sample_times(stream.rate_hz))
                series = {"name": name, "data": data} | times
                add_samples(nwbfile, stream, series, first_row=first_row)
                if segment.clock is not None:
                    facts.append((f"/acquisition/{name}", segment.clock))
        add_clock_facts(nwbfile, facts)
        add_kinds(nwbfile, streams)
        for line in recording.lines:
            add_events(
                nwbfile,
                object_name(line.name),
                description="Edges of one digital (TTL) line.",
                source=source,
                timestamps_s=line.times_s,
                columns={"level": ("Level from this edge on, 0 or 1.", line.levels)},
            )
        for events in recording.events:
            add_events(
                nwbfile,
                events.name,
                description=events.description,
                source=source,
                timestamps_s=events.times_s,
                columns=events.columns,
            )


def _electrode_series(recording: EphysRecording) -> list[str]:
    """Return the names of the streams of electrodes."""
    return [stream.name for stream in recording.streams if stream.electrodes]


def _described(recording: EphysRecording, metadata: dict) -> tuple[SampleStream, ...]:
    """Return the streams with the names and descriptions that the metadata give them."""
    stated = electrical_series_entries(metadata, _electrode_series(recording))
    return tuple(
        replace(
            stream,
            name=stated.get(stream.name, {}).get("name", stream.name),
            description=stated.get(stream.name, {}).get("description", stream.description),
        )
        for stream in recording.streams
    )


def _times_of(stream: SampleStream) -> np.ndarray | list[np.ndarray]:
    """Return the times of the samples of a stream, s; a list where it has several segments."""
    times = [segment.sample_times(stream.rate_hz) for segment in stream.segments]
    return times if len(times) > 1 else times[0]


def _check_segments(n_given: int, n_segments: int) -> None:
    """Raise if not each segment was given its times."""
    if n_given != n_segments:
        raise TimestampError(
            f"Aligned times of {n_given} segments were given, of {n_segments}",
            "A list with one entry for each gap-free segment was expected; align what "
            "get_timestamps() returns.",
        )
