"""A release's bill of materials -> problems: it names the files that the pages list, as it was written."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from scripts import sbom
from scripts.held import PACKAGES
from scripts.problem import Problem, Rule

_PIECE = 2**20
_decoded = json.JSONDecoder().raw_decode


class _Document:
    """A document as it is written, read piece by piece: as one, that of 100,000 files takes half a gigabyte.

    files are those that the components name so far: name -> sha256.
    """

    def __init__(self, source: BinaryIO) -> None:
        self._source, self._text, self._at = source, "", 0
        self._digest = sbom.begin_digest()
        self.files: dict[str, str] = {}

    def _has_more(self) -> bool:
        """Read a piece more, and forget what is behind; returns whether there was any."""
        self._digest.update(self._text[: self._at].encode())
        more = self._source.read(_PIECE)
        self._text, self._at = self._text[self._at :] + more.decode("ascii"), 0
        return bool(more)

    def _goes_on(self, expected: str) -> bool:
        while len(self._text) - self._at < len(expected) and self._has_more():
            pass
        return self._text.startswith(expected, self._at)

    def skip(self, expected: str) -> None:
        """Go on behind a text; raises ValueError where another one stands."""
        if not self._goes_on(expected):
            raise ValueError(f"no {expected}")
        self._at += len(expected)

    def _value(self) -> Any:
        while True:
            try:
                value, self._at = _decoded(self._text, self._at)
            except ValueError:
                if not self._has_more():
                    raise
            else:
                return value

    def _values(self, before: str) -> Iterator[Any]:
        self.skip(before)
        while not self._goes_on("]"):
            yield self._value()
            if not self._goes_on("]"):
                self.skip(",")
        self.skip("]")

    def read(self) -> None:
        """Read what stands before the number; raises what a document of another form leads to."""
        self.skip(sbom.head())
        for component in self._values('"components":['):
            for one in component["externalReferences"]:
                if one["type"] == "distribution":
                    name = sys.intern(one["url"].removeprefix(f"{PACKAGES}/"))
                    self.files[name] = sys.intern(one["hashes"][0]["content"])
        for dependency in self._values(',"dependencies":['):
            dependency["ref"]

    def has_its_number(self) -> bool:
        """Whether the rest is what stands behind such a content."""
        while self._has_more():
            pass
        self._digest.update(sbom.tail("").encode())
        return self._text == sbom.tail(sbom.number_of(self._digest))


def problems(folder: Path, files: Mapping[str, str]) -> Iterator[Problem]:
    """Compare a release's bill of materials with the files that its pages list, name -> sha256."""
    with (folder / sbom.FILE).open("rb") as source:
        document = _Document(source)
        try:
            document.read()
            has_its_number = document.has_its_number()
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
            yield Problem(Rule.FACTS, sbom.FILE, "is no bill of materials of ours")
            return
    named = document.files
    for name in sorted(name for name in named.keys() | files.keys() if named.get(name) != files.get(name)):
        pair = named.get(name), files.get(name)
        yield Problem(Rule.LOCKS, sbom.FILE, f"{name}: its sha256 is {pair[0]}, and on its project's page {pair[1]}")
    if not has_its_number:
        yield Problem(Rule.FACTS, sbom.FILE, "its serialNumber is not that of its content")
