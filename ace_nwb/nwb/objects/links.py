"""Who points at whom inside a session file: soft links and object references."""

from collections.abc import Callable, Iterator

import h5py

PERMANENT_GROUPS = frozenset(
    {
        "/",
        "/acquisition",
        "/analysis",
        "/events",
        "/general",
        "/intervals",
        "/processing",
        "/scratch",
        "/specifications",
        "/stimulus",
        "/stimulus/presentation",
        "/stimulus/templates",
        "/units",
    }
)
"""Groups that every NWB file has; they stay when empty."""


def owner_path(h5: h5py.File, path: str) -> str:
    """Return the innermost NWB object (a group with a type) that `path` is part of, or is."""
    while path not in PERMANENT_GROUPS:
        found = h5.get(path)
        if isinstance(found, h5py.Group) and "neurodata_type" in found.attrs:
            return path
        path = path.rpartition("/")[0] or "/"
    return path


def is_within(path: str, ancestors: set[str]) -> bool:
    """Return whether `path` is one of `ancestors` or lies below one."""
    while path:
        if path in ancestors:
            return True
        path = path.rpartition("/")[0]
    return False


def visit_links(
    start: h5py.h5g.GroupID, take: Callable[[bytes, h5py.h5l.LinkInfo], bool | None]
) -> None:
    """Hand every link below a group to a function until it returns something but None.

    What it raises is raised, and so is a Ctrl-C; h5py itself makes a SystemError of both.
    """
    try:
        start.links.visit(take, info=True)
    except SystemError as error:
        raise error.__cause__ or error from None


def iterate_soft_links(h5: h5py.File) -> Iterator[tuple[str, str]]:
    """Yield (path of the link, path it points to) of every soft link."""
    found: list[bytes] = []

    def note(name: bytes, link: h5py.h5l.LinkInfo) -> None:
        if link.type == h5py.h5l.TYPE_SOFT:
            found.append(name)

    root = h5["/"].id  # HDF5 itself goes through the links, without opening an object
    visit_links(root, note)
    for name in found:
        path, target = (_text(one) for one in (b"/" + name, root.links.get_val(name)))
        yield path, target if target.startswith("/") else f"{path.rpartition('/')[0]}/{target}"


def _text(name: bytes) -> str:
    """Return a name as h5py gives it."""
    return name.decode("utf8", "surrogateescape")


def find_dangling_links(h5: h5py.File) -> list[str]:
    """Return the paths of soft links whose target does not exist."""
    return [link for link, target in iterate_soft_links(h5) if h5.get(target) is None]


def find_dangling_references(h5: h5py.File) -> list[str]:
    """Return the paths of objects that refer to one that was removed; null refers to none."""
    return sorted(
        {
            holder.name
            for holder in _holders(h5)
            for reference in _references_of(holder)
            if reference and not _target_path(h5, reference)
        }
    )


def iterate_references(h5: h5py.File) -> Iterator[tuple[str, str]]:
    """Yield (path of the holder, path of the target) of every object reference.

    Holders are objects with a reference attribute and data sets of references. A reference
    whose target is gone yields an empty target.
    """
    for holder in _holders(h5):
        for reference in _references_of(holder):
            yield holder.name, _target_path(h5, reference)


def _holders(h5: h5py.File) -> Iterator[h5py.Group | h5py.Dataset]:
    """Yield the objects that hold references; HDF5 itself looks at the types: few do."""
    names: list[bytes] = []
    h5py.h5o.visit(h5["/"].id, names.append)
    for name in names:
        if _holds_references(h5py.h5o.open(h5.id, name)):
            yield h5[_text(b"/" + name)]


def _holds_references(found: h5py.h5g.GroupID | h5py.h5d.DatasetID) -> bool:
    """Return whether an attribute or the elements of an object have a type with references."""
    if isinstance(found, h5py.h5d.DatasetID) and _is_reference(found.get_type()):
        return True
    numbers = range(h5py.h5a.get_num_attrs(found))
    return any(_is_reference(h5py.h5a.open(found, index=n).get_type()) for n in numbers)


def _is_reference(kind: h5py.h5t.TypeID) -> bool:
    """Return whether a type is a reference, or a compound with one in it."""
    if isinstance(kind, h5py.h5t.TypeCompoundID):
        return any(_is_reference(kind.get_member_type(n)) for n in range(kind.get_nmembers()))
    return isinstance(kind, h5py.h5t.TypeReferenceID)


def _references_of(holder: h5py.Group | h5py.Dataset) -> Iterator[h5py.Reference]:
    """Yield the object references in the attributes and the elements of one object."""
    for name in holder.attrs:
        if h5py.check_ref_dtype(holder.attrs.get_id(name).dtype):
            value = holder.attrs[name]
            if isinstance(value, h5py.Reference):
                yield value
    if not isinstance(holder, h5py.Dataset) or holder.shape is None:
        return
    if h5py.check_ref_dtype(holder.dtype):
        yield from holder[()].ravel() if holder.shape else [holder[()]]
    for name in holder.dtype.names or ():
        if h5py.check_ref_dtype(holder.dtype[name]):
            yield from holder[name].ravel()


def _target_path(h5: h5py.File, reference: h5py.Reference) -> str:
    """Return where a reference points, or an empty string if nowhere."""
    try:
        return str(h5[reference].name or "")
    except (ValueError, KeyError):
        return ""
