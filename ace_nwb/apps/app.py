"""What a page offers to the server: a name and handlers, and how answers look on the wire."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Query = Mapping[str, str]
Body = Mapping[str, Any]


@dataclass(frozen=True)
class Reply:
    """An answer of a handler.

    Parameters
    ----------
    content
        The bytes.
    kind
        MIME type.
    status
        HTTP status.
    """

    content: bytes
    kind: str = "application/json"
    status: int = 200


@dataclass(frozen=True)
class App:
    """A page and the questions it may ask.

    Parameters
    ----------
    page
        Name of the page: `static/<page>.html` and the scripts it lists.
    title
        Title of the browser tab.
    reads
        Path -> handler of a query, which must not change anything.
    writes
        Path -> handler of a JSON body.
    close
        Called when the server stops.
    """

    page: str
    title: str
    reads: Mapping[str, Callable[[Query], Reply]]
    writes: Mapping[str, Callable[[Body], Reply]] = field(default_factory=dict)
    close: Callable[[], None] = lambda: None


def json_reply(content: Any, status: int = 200) -> Reply:
    """Answer with JSON; NaN becomes null."""
    text = json.dumps(_plain(content), ensure_ascii=False, allow_nan=False)
    return Reply(text.encode(), status=status)


def array_reply(arrays: Mapping[str, np.ndarray], **details: Any) -> Reply:
    """Answer with arrays: length of a JSON head (4 bytes), the head, then the raw arrays.

    The head tells type, shape and offset of every array; offsets are multiples of 8.
    """
    parts, head, offset = [], {}, 0
    for name, array in arrays.items():
        values = np.ascontiguousarray(array)
        values = values.astype(values.dtype.newbyteorder("<"), copy=False)
        head[name] = {"type": values.dtype.str[1:], "shape": values.shape, "offset": offset}
        padding = -values.nbytes % 8
        parts += [values.tobytes(), b"\0" * padding]
        offset += values.nbytes + padding
    text = json.dumps({"arrays": head, **_plain(details)}, allow_nan=False).encode()
    text += b" " * (-(len(text) + 4) % 8)
    content = len(text).to_bytes(4, "little") + text + b"".join(parts)
    return Reply(content, kind="application/octet-stream")


def _plain(content: Any) -> Any:
    """Turn numpy values into Python's, and NaN into None."""
    if isinstance(content, Mapping):
        return {str(key): _plain(value) for key, value in content.items()}
    if isinstance(content, np.ndarray):
        return _plain(content.tolist())
    if isinstance(content, list | tuple):
        return [_plain(value) for value in content]
    if isinstance(content, np.generic):
        return _plain(content.item())
    if isinstance(content, float) and not np.isfinite(content):
        return None
    return content
