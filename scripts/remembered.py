"""What pip reads of the upstream for one target -> what it need not read again for the next one.

These are index pages, and the metadata of wheels whose hash was verified. Like scripts/compile_target.py this leans on
pip's internals.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from pip._internal.index.collector import IndexContent, LinkCollector
from pip._internal.metadata.importlib._dists import Distribution, WheelDistribution
from pip._internal.operations.prepare import RequirementPreparer
from pip._internal.utils.hashes import Hashes

_FETCH: Any = LinkCollector.fetch_response
_FETCH_METADATA: Any = RequirementPreparer._fetch_metadata_only
_PREPARE: Any = RequirementPreparer.prepare_linked_requirement

_PAGES: dict[str, IndexContent | None] = {}
_METADATA: dict[tuple[str, Hashes], Distribution] = {}


def _fetch(self: LinkCollector, location: Any, package_name: str | None = None) -> IndexContent | None:
    if location.url not in _PAGES:
        _PAGES[location.url] = _FETCH(self, location, package_name)
    return _PAGES[location.url]


def _key(preparer: Any, req: Any) -> tuple[str, Hashes] | None:
    """Return what a wheel's metadata is remembered by; None for what has no hash, is at hand or is to be built."""
    if not req.link.is_wheel or req.link.is_file:
        return None
    hashes = preparer._get_linked_req_hashes(req)
    return (req.link.url_without_fragment, hashes) if hashes else None


def _fetch_metadata(self: Any, req: Any) -> Any:
    key = _key(self, req)
    return _METADATA.get(key) or _FETCH_METADATA(self, req) if key else _FETCH_METADATA(self, req)


def _prepare(self: Any, req: Any, parallel_builds: bool = False) -> Any:
    key, dist = _key(self, req), _PREPARE(self, req, parallel_builds)
    if key and key not in _METADATA:
        # The file itself goes when its target is done.
        files = {PurePosixPath("METADATA"): dist.read_text("METADATA").encode()}
        _METADATA[key] = Distribution(WheelDistribution(files, dist._info_location), dist._info_location, None)
    return dist


def patch() -> None:
    """Make pip remember."""
    collector: Any = LinkCollector
    preparer: Any = RequirementPreparer
    collector.fetch_response = _fetch
    preparer._fetch_metadata_only, preparer.prepare_linked_requirement = _fetch_metadata, _prepare
