"""Told files -> who published each: by provenance (PEP 740) that was verified before, or is now, offline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from scripts import attestations
from scripts.memory import Memory
from scripts.told import Told
from scripts.upstream import Upstream


class Published(NamedTuple):
    """Who published a file: "" where it has no provenance, None where that is not known; fault is why its provenance
    does not verify.
    """

    by: str | None = None
    fault: str = ""


class Publishers:
    """Fetches what provenance is not known yet, and says of each file who published it."""

    def __init__(self, memory: Memory, upstream: Upstream, files: Sequence[Told]) -> None:
        self._memory = memory
        urls = {one.page.provenance_url for one in files if one.page and one.facts.provenance is None}
        self._answers = upstream.provenances(sorted(filter(None, urls)))
        # Some mirrors tell no provenance of any file, which is not the same as a file that has none.
        told = (one for one in files if one.facts.provenance and one.page)
        self._silent = {one.project for one in told if one.page and not one.page.provenance_url}

    def _provenance(self, one: Told) -> bytes | None:
        """Return a file's provenance, b"" where it has none, None where that is not known."""
        if one.facts.provenance is not None:
            return one.facts.provenance
        if one.page is None or one.project in self._silent:
            return b"" if one.is_published else None
        if not one.page.provenance_url:
            return b""
        answer = self._answers[one.page.provenance_url]
        return answer if isinstance(answer, bytes) else None

    def of(self, one: Told) -> Published:
        """Return who published a file; to be called by one thread at a time."""
        provenance = self._provenance(one)
        if not provenance:
            return Published(None if provenance is None else "")
        try:
            known = self._memory.publisher(one.project, one.sha256, provenance)
            return Published(known or attestations.publisher(provenance, one.filename, one.sha256))
        except ValueError as error:
            return Published(fault=str(error))
