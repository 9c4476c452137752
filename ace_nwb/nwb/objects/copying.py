"""Copying an HDF5 file object by object, and comparing two files.

References are pointed at the copies, hard links stay links, chunks are moved as stored.
"""

from collections.abc import Callable, Collection, Iterator
from typing import Any

import h5py
import numpy as np

from ace_nwb.errors import SessionFileError

BLOCK_BYTES = 16 * 2**20
"""Read at once: long enough for a disk, small beside the memory of any computer."""


def copy_file(
    source: h5py.File,
    target: h5py.File,
    *,
    progress: Callable[[int, int], None],
    omit: Collection[str] = (),
) -> None:
    """Fill a new file with everything that `source` holds.

    Parameters
    ----------
    source
        The open file.
    target
        The new file, empty.
    progress
        Called with (bytes copied, of how many).
    omit
        Paths of data sets that are left out; nothing may refer to them.
    """
    copied = _Copied(source, target)
    datasets = copied.create_objects(omit)
    total, done = sum(dataset.nbytes for dataset in datasets), 0
    for dataset in datasets:
        _copy_values(dataset, target[dataset.name], copied)
        done += dataset.nbytes
        progress(done, total)
    copied.copy_attributes()


def find_difference(first: h5py.File, second: h5py.File) -> str | None:
    """Return the path of the first difference between two files, or None.

    Compared are the objects and links, every attribute and every value, references by the path
    of what they point at.
    """
    first_paths, second_paths = _list_objects(first), _list_objects(second)
    for path in sorted(set(first_paths) ^ set(second_paths)):
        return path
    for path, link in first_paths.items():
        if link != second_paths[path]:
            return path
        if link == "hard" and not _is_equal(first[path], second[path]):
            return path
    return None


def copy_attributes(
    source: h5py.HLObject,
    target: h5py.HLObject,
    translate: Callable[[Any, np.dtype], Any] = lambda value, _dtype: value,
) -> None:
    """Copy all attributes as they are stored; texts need not be what their encoding says.

    Parameters
    ----------
    source
        The object that has them.
    target
        The object that gets them.
    translate
        Turns a value of a type into the one to be written.
    """
    for name, value in source.attrs.items():
        found = source.attrs.get_id(name)
        if isinstance(value, h5py.Empty):
            target.attrs.create(name, value, dtype=found.dtype)
            continue
        if h5py.check_string_dtype(found.dtype) and found.dtype.kind == "O":
            value = _as_bytes(value)
        value = translate(value, found.dtype)
        target.attrs.create(name, value, shape=found.shape, dtype=found.dtype)


def _as_bytes(value: str | np.ndarray) -> Any:
    """Return texts as the bytes that h5py read them from."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape")
    texts = [one.encode("utf-8", "surrogateescape") for one in value.ravel()]
    return np.array(texts, dtype=object).reshape(value.shape)


class _Copied:
    """Which object of the source became which object of the target."""

    def __init__(self, source: h5py.File, target: h5py.File):
        self.source = source
        self.target = target
        self.paths: dict[Any, str] = {_address(source["/"]): "/"}
        self._objects: list[str] = ["/"]

    def create_objects(self, omit: Collection[str]) -> list[h5py.Dataset]:
        """Create all groups, links and empty data sets; return the data sets to be filled."""
        datasets: list[h5py.Dataset] = []
        pending = [self.source["/"]]
        while pending:
            group = pending.pop()
            for name in group:
                path = f"{group.name.rstrip('/')}/{name}"
                if path in omit:
                    continue
                link = group.get(name, getlink=True)
                if not isinstance(link, h5py.HardLink):
                    self.target[path] = link
                    continue
                found = group[name]
                if _address(found) in self.paths:
                    self.target[path] = self.target[self.paths[_address(found)]]
                    continue
                self.paths[_address(found)] = path
                self._objects.append(path)
                if isinstance(found, h5py.Group):
                    self.target.create_group(path, track_order=_is_tracking_order(found))
                    pending.append(self.source[path])
                else:
                    _create_like(self.target, path, found)
                    datasets.append(self.source[path])
        return datasets

    def copy_attributes(self) -> None:
        """Copy the attributes of all objects, now that what they refer to exists."""
        for path in self._objects:
            source, target = self.source[path], self.target[path]
            copy_attributes(source, target, self.translate)

    def translate(self, value: Any, dtype: np.dtype) -> Any:
        """Return a value with its object references pointed at the copies."""
        if h5py.check_ref_dtype(dtype) is h5py.RegionReference:
            raise SessionFileError(
                f"{self.source.filename} holds region references, which NWB does not use; "
                "object references were expected. Rewrite it with pynwb."
            )
        if h5py.check_ref_dtype(dtype) is h5py.Reference:
            if isinstance(value, h5py.Reference):
                return self._reference(value)
            return np.array(
                [self._reference(reference) for reference in value.ravel()], dtype=dtype
            ).reshape(value.shape)
        if dtype.names and any(_holds_references(dtype[name]) for name in dtype.names):
            translated = value.copy()
            for name in dtype.names:
                translated[name] = self.translate(value[name], dtype[name])
            return translated
        return value

    def _reference(self, reference: h5py.Reference) -> h5py.Reference:
        if not reference:
            return reference
        return self.target[self.paths[_address(self.source[reference])]].ref


def _create_like(target: h5py.File, path: str, dataset: h5py.Dataset) -> None:
    """Create an empty data set with the type, shape, chunks and filters of another."""
    space = dataset.id.get_space()
    created = h5py.h5d.create(
        target.id,
        None,
        dataset.id.get_type(),
        space,
        dcpl=dataset.id.get_create_plist(),
    )
    target[path] = h5py.Dataset(created)


def _copy_values(source: h5py.Dataset, target: h5py.Dataset, copied: _Copied) -> None:
    """Fill a data set: chunks as stored where possible, else through memory in blocks."""
    if source.shape is None or source.size == 0:
        return
    if _is_plain(source.dtype) and source.chunks is not None:
        for index in range(source.id.get_num_chunks()):
            info = source.id.get_chunk_info(index)
            mask, content = source.id.read_direct_chunk(info.chunk_offset)
            target.id.write_direct_chunk(info.chunk_offset, content, mask)
    elif source.shape == ():
        target[()] = copied.translate(source[()], source.dtype)
    else:
        for block in _blocks(source):
            target[block] = copied.translate(source[block], source.dtype)


def _blocks(dataset: h5py.Dataset) -> Iterator[tuple[slice, ...]]:
    """Yield boxes along the first axis, a few megabytes each, whole chunks where chunked."""
    row_bytes = max(1, dataset.dtype.itemsize * int(np.prod(dataset.shape[1:], dtype=np.int64)))
    step = max(1, BLOCK_BYTES // row_bytes)
    if dataset.chunks is not None:
        step = -(-step // dataset.chunks[0]) * dataset.chunks[0]
    for start in range(0, dataset.shape[0], step):
        yield (slice(start, min(start + step, dataset.shape[0])),)


def _is_plain(dtype: np.dtype) -> bool:
    """Return whether the values lie in the chunks themselves, not in a heap of the file."""
    return not _holds_references(dtype) and not _holds_variable_length(dtype)


def _holds_references(dtype: np.dtype) -> bool:
    if dtype.names:
        return any(_holds_references(dtype[name]) for name in dtype.names)
    return h5py.check_ref_dtype(dtype) is not None


def _holds_variable_length(dtype: np.dtype) -> bool:
    if dtype.names:
        return any(_holds_variable_length(dtype[name]) for name in dtype.names)
    return dtype.kind == "O"


def _is_tracking_order(group: h5py.Group) -> bool:
    return bool(group.id.get_create_plist().get_link_creation_order())


def _address(found: h5py.Group | h5py.Dataset) -> Any:
    """Return what tells objects of one file apart, whatever path they were reached by."""
    return h5py.h5o.get_info(found.id).addr


def _list_objects(h5: h5py.File) -> dict[str, str]:
    """Return path -> "hard" or where the link leads; a second hard link counts as a link."""
    objects: dict[str, str] = {"/": "hard"}
    seen = {_address(h5["/"]): "/"}
    pending = ["/"]
    while pending:
        group = h5[pending.pop()]
        for name in group:
            path = f"{group.name.rstrip('/')}/{name}"
            link = group.get(name, getlink=True)
            if not isinstance(link, h5py.HardLink):
                objects[path] = f"{getattr(link, 'filename', '')}:{link.path}"
                continue
            found = group[name]
            if _address(found) in seen:
                objects[path] = f"same as {seen[_address(found)]}"
                continue
            seen[_address(found)] = path
            objects[path] = "hard"
            if isinstance(found, h5py.Group):
                pending.append(path)
    return objects


def _is_equal(first: Any, second: Any) -> bool:
    """Return whether two objects have the same type, attributes and values."""
    if type(first) is not type(second) or set(first.attrs) != set(second.attrs):
        return False
    for name in first.attrs:
        values = [_comparable(found, found.attrs[name]) for found in (first, second)]
        if values[0] != values[1]:
            return False
    return not isinstance(first, h5py.Dataset) or _has_equal_values(first, second)


def _has_equal_values(first: h5py.Dataset, second: h5py.Dataset) -> bool:
    if first.shape != second.shape or first.dtype != second.dtype:
        return False
    if first.shape is None:
        return True
    if first.shape == ():
        return bool(_comparable(first, first[()]) == _comparable(second, second[()]))
    return all(
        _comparable(first, first[block]) == _comparable(second, second[block])
        for block in _blocks(first)
    )


def _comparable(holder: Any, value: Any) -> Any:
    """Return a value in which references are replaced by the paths they point at."""
    if isinstance(value, h5py.Reference):
        return holder.file[value].name if value else ""
    array = np.asarray(value)
    if array.dtype.names:
        return {name: _comparable(holder, array[name]) for name in array.dtype.names}
    if array.dtype.kind == "O":
        return [
            _comparable(holder, item) if isinstance(item, (h5py.Reference, np.ndarray)) else item
            for item in array.ravel().tolist()
        ]
    return array.tobytes()
