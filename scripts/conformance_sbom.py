"""A release's bill of materials -> problems: it names the files that the pages list, as it was written."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from scripts import sbom
from scripts.held import PACKAGES
from scripts.problem import Problem, Rule

_decoded = json.JSONDecoder().raw_decode


class _Document:
    """A document as it is written, read value by value: as one, that of 100,000 files takes half a gigabyte.

    files are those that the components name so far: name -> sha256.
    """

    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0
        self.files: dict[str, str] = {}

    @property
    def rest(self) -> str:
        """What is not read yet."""
        return self._text[self._at :]

    def skip(self, expected: str) -> None:
        """Go on behind a text; raises ValueError where another one stands."""
        if not self._text.startswith(expected, self._at):
            raise ValueError(f"no {expected}")
        self._at += len(expected)

    def _values(self, before: str) -> Iterator[Any]:
        self.skip(before)
        while not self._text.startswith("]", self._at):
            value, self._at = _decoded(self._text, self._at)
            yield value
            if not self._text.startswith("]", self._at):
                self.skip(",")
        self.skip("]")

    def components(self) -> Iterator[Any]:
        """Yield the components; raises what one of another form leads to."""
        for component in self._values('"components":['):
            for one in component["externalReferences"]:
                if one["type"] == "distribution":
                    self.files[one["url"].removeprefix(f"{PACKAGES}/")] = one["hashes"][0]["content"]
            yield component

    def dependencies(self) -> Iterator[Any]:
        """Yield the dependencies, which stand behind the components."""
        yield from self._values(',"dependencies":[')


def problems(folder: Path, files: Mapping[str, str]) -> Iterator[Problem]:
    """Compare a release's bill of materials with the files that its pages list, name -> sha256."""
    try:
        document = _Document((folder / sbom.FILE).read_bytes().decode("ascii"))
        document.skip(sbom.head())
        number = sbom.serial_number(sbom.whole(document.components(), document.dependencies()))
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        yield Problem(Rule.FACTS, sbom.FILE, "is no bill of materials of ours")
        return
    named = document.files
    for name in sorted({name for name, _ in named.items() ^ files.items()}):
        pair = named.get(name), files.get(name)
        yield Problem(Rule.LOCKS, sbom.FILE, f"{name}: its sha256 is {pair[0]}, and on its project's page {pair[1]}")
    if document.rest != sbom.tail(number):
        yield Problem(Rule.FACTS, sbom.FILE, "its serialNumber is not that of its content")
