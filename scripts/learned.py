"""Files that a run read -> JSON Lines, and back: what a file says of itself, so that the next run need not open it.

One array a file, in the order of Distribution's fields. It is believed as far as what vouches for it
(scripts/last_run.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from scripts.core_metadata import About
from scripts.distribution import Distribution, shared
from scripts.licenses import License
from scripts.manifest import Fact
from scripts.versions import parse_version


def lines(files: Iterable[Distribution], *, is_checked: bool) -> Iterator[bytes]:
    """Yield what was learned of files, line by line; is_checked: the archives of all were checked by now."""
    for one in files:
        yield f"{json.dumps([*one[:-1], is_checked or one.is_checked], default=str)}\n".encode()


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _about(told: Any) -> About:
    summary, license_, urls, stated = told
    return About(summary, license_, urls, License(*stated))


def _distribution(line: str) -> Distribution:
    filename, name, version, sha256, size, metadata, requires, python, about, is_checked = _tuples(json.loads(line))
    own = filename, name, parse_version(version), sha256, size, metadata and Fact(*metadata)
    return shared(Distribution(*own, requires, python, _about(about), is_checked))


def read(data: bytes) -> dict[str, Distribution]:
    """Return what was learned of each file, by its sha256; what is not as `lines` wrote it tells nothing."""
    try:
        return {one.sha256: one for one in map(_distribution, data.decode("ascii").splitlines())}
    except (ValueError, TypeError, RecursionError):
        return {}
