"""A light session to share: all results without the movies, which can be joined again.

A movie's time stamps move to a series that used them. What was taken out is named in
`processing/misc/RemovedMovies` with a checksum of its pixels, so that only the right movie can be
joined again, from the original session or from a new conversion of the same recording. Videos
outside the file (behaviour cameras) are taken out alike; their checksum is that of their names.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ace_nwb.errors import OutputError, SessionFileError
from ace_nwb.nwb import layout
from ace_nwb.nwb.commit.new_file import claim, new_h5
from ace_nwb.nwb.commit.repack import repack
from ace_nwb.nwb.content.imaging import create_images
from ace_nwb.nwb.location import find_folder
from ace_nwb.nwb.objects.copying import copy_file
from ace_nwb.nwb.objects.links import iterate_soft_links
from ace_nwb.nwb.opening import existing_file
from ace_nwb.nwb.safety import file_beside
from ace_nwb.nwb.session import Session, SessionWriter, edit_session, open_session
from ace_nwb.nwb.shared import anonymity

_COLUMNS = {
    "path": "Where the movie stood.",
    "movie_id": "Its NWB object id.",
    "content": "Frames, columns (x) and rows (y) and type of a pixel, or names of video files.",
    "sha256": "Checksum of all pixels in the order of the file, as unpacked, or of the names.",
    "times": "Where the movie's time stamps stand now.",
    "links": "Links to the movie that were taken out, separated by semicolons.",
}
_MOVIE_TYPES = ("OnePhotonSeries", "TwoPhotonSeries")
_SEPARATOR = "; "
_BLOCK_BYTES = 64 * 2**20
"""Read at once: long enough for a disk, small beside the memory of any computer."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class LightSession:
    """What a light session no longer holds.

    Parameters
    ----------
    movies
        Paths of the movies taken out.
    anonymised
        Paths of the texts taken out.
    n_bytes
        Its size, bytes.
    """

    movies: tuple[str, ...]
    anonymised: tuple[str, ...]
    n_bytes: int


def write_light_session(
    path: Path,
    target: Path,
    *,
    n_preview_frames: int = 0,
    is_anonymous: bool = False,
    progress: Progress = lambda _done, _of: None,
) -> LightSession:
    """Write a session without its raw movies to a new file that stands alone.

    Parameters
    ----------
    path
        The session file; it is only read.
    target
        The new file; appears when it is whole.
    n_preview_frames
        Frames, evenly spread over the recording, that are kept of each movie as
        `PreviewOf<name>`.
    is_anonymous
        Whether names of people and free texts are left out; see `anonymity`.
    progress
        Called with (bytes copied, of how many).

    Raises
    ------
    OutputError
        If `target` exists or cannot be written.
    SessionFileError
        If the session has no movie, or no result that its times could stand with.
    """
    _refuse_folders(path)
    with claim(target) as beside:
        with open_session(path) as session, new_h5(beside) as h5:
            movies = _find_movies(session)
            previews = {m.path: _read_preview(session, m, n_preview_frames) for m in movies}
            omit = {f"{movie.path}/data" for movie in movies}
            copy_file(session.h5, h5, progress=progress, omit=omit)
        with edit_session(beside) as writer:
            writer.show_as_stored()
            for movie in movies:
                _take_out(writer, movie)
            _note_removed(writer, movies)
            for movie in movies:
                _add_preview(writer, movie, previews[movie.path])
            hidden = anonymity.anonymise(writer) if is_anonymous else []
        repack(beside)  # so that nothing removed lies on in unused space
    paths = tuple(movie.path for movie in movies)
    return LightSession(paths, tuple(hidden), target.stat().st_size)


def _refuse_folders(*paths: Path) -> None:
    """Refuse sessions in Zarr: objects are copied as HDF5 stores them."""
    for path in paths:
        if find_folder(path) is not None:
            existing_file(path)


def join_movies(
    light: Path, raw: Path, target: Path, *, progress: Progress = lambda _done, _of: None
) -> tuple[str, ...]:
    """Write a light session together with its raw movies to a new file.

    Parameters
    ----------
    light
        A file made by `write_light_session`.
    raw
        A session with the same movies: the original, or the recording converted anew.
    target
        The new file; appears when it is whole.
    progress
        Called with (bytes copied, of how many).

    Returns
    -------
        Paths of the movies joined.

    Raises
    ------
    SessionFileError
        If `light` has no list of removed movies, or a movie of `raw` is another one.
    """
    _refuse_folders(light, raw)
    with claim(target) as beside:
        with open_session(light) as session, open_session(raw) as source:
            if not session.has(layout.REMOVED_MOVIES):
                raise SessionFileError(
                    f"{light} names no removed movies; a file made by `ace-nwb export "
                    "--without-raw` was expected."
                )
            movies = _read_removed(session)
            for movie in movies:
                _check_same(source, movie)
            with new_h5(beside) as h5:
                copy_file(session.h5, h5, progress=progress)
                for movie in movies:
                    _put_back(h5, source, movie, target.parent)
        with edit_session(beside) as writer:
            writer.remove(
                [*(f"/acquisition/{movie.preview}" for movie in movies), layout.REMOVED_MOVIES]
            )
    return tuple(movie.path for movie in movies)


@dataclass(frozen=True)
class _LeftOut:
    """One row of the list of removed movies."""

    path: str
    movie_id: str
    content: str
    sha256: str
    times: str
    links: tuple[str, ...]

    @property
    def name(self) -> str:
        """Its name without the path."""
        return self.path.rpartition("/")[2]

    @property
    def preview(self) -> str:
        """Name of the frames that are kept of it."""
        return f"PreviewOf{self.name}"


def _find_movies(session: Session) -> list[_LeftOut]:
    h5 = session.h5
    links = list(iterate_soft_links(h5))
    found = []
    for name in h5.get("/acquisition", {}):
        group = h5[f"/acquisition/{name}"]
        content = _content(group)
        if content is None:
            continue
        found.append(
            _LeftOut(
                path=group.name,
                movie_id=str(group.attrs["object_id"]),
                content=content,
                sha256=_checksum(group),
                times=_new_home(session, f"{group.name}/timestamps", links),
                links=tuple(a for a, b in links if b == group.name),
            )
        )
    if not found:
        raise SessionFileError(
            f"{session.path} holds no raw movie in /acquisition; nothing could be left out. Share "
            "the file as it is."
        )
    return found


def _content(group: h5py.Group) -> str | None:
    """Return what identifies a movie to a reader; None if the object is none."""
    if "external_file" in group:
        return ", ".join(Path(name).name for name in group["external_file"].asstr()[:])
    if group.attrs.get("neurodata_type") in _MOVIE_TYPES and group["data"].ndim == 3:
        return f"{' x '.join(map(str, group['data'].shape))} {group['data'].dtype}"
    return None


def _new_home(session: Session, times: str, links: list[tuple[str, str]]) -> str:
    """Return the link that becomes the home of a movie's time stamps."""
    users = sorted(link for link, target in links if target == times)
    if not users:
        raise SessionFileError(
            f"{session.path} has no result that uses {times}; a processed session was expected. "
            "Run `ace-nwb run` first, or share the whole file."
        )
    on_device = [link for link in users if link.startswith(layout.DEVICE_TIME)]
    return (on_device or users)[0]


def _checksum(group: h5py.Group) -> str:
    """Return the SHA-256 of a movie's pixels, a few chunks in memory, or of its files' names."""
    if "external_file" in group:
        return sha256(str(_content(group)).encode()).hexdigest()
    digest = sha256()
    for block in _blocks(group["data"]):
        digest.update(np.ascontiguousarray(block).data)
    return digest.hexdigest()


def _blocks(data: h5py.Dataset) -> Iterator[np.ndarray]:
    frame_bytes = max(1, data.dtype.itemsize * data.shape[1] * data.shape[2])
    whole = data.chunks[0] if data.chunks else 1
    step = max(1, _BLOCK_BYTES // (frame_bytes * whole)) * whole
    for start in range(0, data.shape[0], step):
        yield data[start : start + step]


def _read_preview(session: Session, movie: _LeftOut, n_frames: int) -> dict[int, np.ndarray]:
    """Return frame number -> frame, in the file's axes, spread evenly over a movie."""
    data = session.h5[movie.path].get("data")
    if data is None or not data.size:
        return {}
    rows = np.unique(np.linspace(0, len(data) - 1, min(n_frames, len(data))).astype(int))
    return {int(row): data[row] for row in rows}


def _take_out(writer: SessionWriter, movie: _LeftOut) -> None:
    """Give the movie's times to the series that keeps them, and remove what is left of it."""
    h5 = writer.h5
    for link in movie.links:
        del h5[link]
    users = [a for a, b in iterate_soft_links(h5) if b == f"{movie.path}/timestamps"]
    _move_times(h5, f"{movie.path}/timestamps", movie.times, users)
    del h5[movie.path]


def _move_times(h5: h5py.File, source: str, target: str, users: list[str]) -> None:
    """Move a data set of times and point the links of its users at the new place."""
    for user in users:
        del h5[user]
    h5.move(source, target)
    for user in users:
        if user != target:
            h5[user] = h5py.SoftLink(target)


def _note_removed(writer: SessionWriter, movies: list[_LeftOut]) -> None:
    rows: dict[str, Any] = {
        name: (
            text,
            [
                _SEPARATOR.join(movie.links) if name == "links" else getattr(movie, name)
                for movie in movies
            ],
        )
        for name, text in _COLUMNS.items()
    }
    description = "Raw movies that were left out of this file to make it light."
    writer.create_table(layout.REMOVED_MOVIES, description, rows)


def _add_preview(writer: SessionWriter, movie: _LeftOut, frames: dict[int, np.ndarray]) -> None:
    if not frames:
        return
    images = {f"frame_{index}": (f"Frame {index}.", frame) for index, frame in frames.items()}
    text = "Some frames of the movie that was left out of this file."
    create_images(writer, f"/acquisition/{movie.preview}", images, description=text)


def _read_removed(session: Session) -> list[_LeftOut]:
    columns = session.read_table(layout.REMOVED_MOVIES)
    movies = []
    for row in range(len(columns["path"])):
        values: dict[str, Any] = {name: str(columns[name][row]) for name in _COLUMNS}
        links = values.pop("links")
        movies.append(_LeftOut(**values, links=tuple(links.split(_SEPARATOR)) if links else ()))
    return movies


def _check_same(source: Session, movie: _LeftOut) -> None:
    group = source.h5.get(movie.path)
    content = None if group is None else _content(group)
    if group is None or content is None:
        raise SessionFileError(
            f"{source.path} has no movie {movie.path}; the session it was taken from, or a new "
            "conversion of its recording, was expected."
        )
    if content != movie.content or _checksum(group) != movie.sha256:
        raise SessionFileError(
            f"The movie {movie.path} of {source.path} ({content}) is not the one that was left "
            f"out ({movie.content}, SHA-256 {movie.sha256[:12]}...). Give the file it was taken "
            "from."
        )


def _put_back(h5: h5py.File, source: Session, movie: _LeftOut, folder: Path) -> None:
    """Copy a movie into a light session and make its times the common ones again."""
    source.h5.copy(source.h5[movie.path], h5["/acquisition"], name=movie.name)
    h5[movie.path].attrs["object_id"] = movie.movie_id
    if "external_file" in h5[movie.path]:
        _point_at_videos(h5[movie.path]["external_file"], source.path, folder)
    del h5[f"{movie.path}/timestamps"]
    users = [a for a, b in iterate_soft_links(h5) if b == movie.times]
    _move_times(h5, movie.times, f"{movie.path}/timestamps", [*users])
    h5[movie.times] = h5py.SoftLink(f"{movie.path}/timestamps")
    for link in movie.links:
        if link.rpartition("/")[0] in h5:
            h5[link] = h5py.SoftLink(movie.path)


def _point_at_videos(names: h5py.Dataset, source: Path, folder: Path) -> None:
    """Name videos relative to the folder of the new file."""
    for index, name in enumerate(names.asstr()[:]):
        video = file_beside(source, name)
        if not video.is_relative_to(folder.resolve()):
            raise OutputError(
                f"The video {video} does not lie below {folder}, and an NWB file names its videos "
                f"relative to itself. Write the joined file beside {source}."
            )
        names[index] = video.relative_to(folder.resolve()).as_posix()
