"""A told file -> what its own bytes say: from $(PYPI_ROOT), or else downloaded, looked at and dropped again.

No byte is believed that has not the locked sha256, and none of a package's code is run.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from pypi_simple import DistributionPackage

from scripts import core_metadata, inside
from scripts.archive import MAX_METADATA_BYTES
from scripts.core_metadata import About
from scripts.digest import sha256_of
from scripts.files import is_file
from scripts.inside import Inside
from scripts.root import Root
from scripts.told import Asked, Told
from scripts.upstream import Upstream, UpstreamError


class Examined(NamedTuple):
    """What a file says of itself, and what is in it; None where that is not known.

    unsound is what is wrong with its bytes, unread why they could not be had.
    """

    size: int | None = None
    about: About | None = None
    inside: Inside | None = None
    unsound: str = ""
    unread: str = ""


def _held(root: Root, one: Told, asked: Asked) -> Path | None:
    """Return where the shared folder, or the one of first_party, has a file, by its content."""
    own = [asked.wheels[one.sha256]] if one.sha256 in asked.wheels else []
    places = (*own, *(folder / one.filename for folder in (root.packages, root.retired, root.incoming)))
    return next((path for path in places if is_file(path) and sha256_of(path) == one.sha256), None)


def _look(path: Path, one: Told) -> Examined:
    size = path.stat().st_size
    try:
        about, found = inside.look(path, one.sha256)
    except ValueError as error:
        return Examined(size, unsound=str(error))
    return Examined(size, about, found)


def _sidecar(upstream: Upstream, page: DistributionPackage, folder: Path) -> About | None:
    """Return what the METADATA beside a file says, where there is one (PEP 714)."""
    place = folder / "METADATA"
    if not page.has_metadata:
        return None
    try:
        upstream.download(page.metadata_url, MAX_METADATA_BYTES, place)
        return core_metadata.about_of(page.filename, place.read_bytes())
    except (UpstreamError, ValueError):
        return None


def _downloaded(upstream: Upstream, one: Told, page: DistributionPackage, most_bytes: int) -> Examined:
    with TemporaryDirectory(prefix="review-") as folder:
        place = Path(folder) / one.filename
        try:
            if page.size is not None and page.size > most_bytes:
                raise UpstreamError(f"larger than {most_bytes // 10**6} MB, and not looked into")
            sha256 = upstream.download(page.url, most_bytes, place)
        except UpstreamError as error:
            return Examined(page.size, _sidecar(upstream, page, Path(folder)), unread=str(error))
        if sha256 != one.sha256:
            return Examined(unsound="the upstream sends other bytes than its page says")
        return _look(place, one)


def examine(root: Root, upstream: Upstream, one: Told, asked: Asked) -> Examined:
    """Return what a file's bytes tell."""
    try:
        if one.filename and (path := _held(root, one, asked)):
            return _look(path, one)
    except OSError:
        pass  # a run that publishes may move it just now
    if one.page is not None:
        return _downloaded(upstream, one, one.page, asked.most_bytes)
    return Examined()
