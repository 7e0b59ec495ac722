"""A release's bill of materials -> problems: it names the files that the pages list, as it was written."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from scripts import sbom
from scripts.held import PACKAGES
from scripts.problem import Problem, Rule


def _files(document: Mapping[str, Any]) -> dict[str, str]:
    """Map the name of each file to its sha256; raises what a document of another form leads to."""
    references = [one for component in document["components"] for one in component["externalReferences"]]
    return {
        one["url"].removeprefix(f"{PACKAGES}/"): one["hashes"][0]["content"]
        for one in references
        if one["type"] == "distribution"
    }


def problems(data: bytes, files: Mapping[str, str]) -> Iterator[Problem]:
    """Compare a bill of materials with the files that the pages list, name -> sha256."""
    try:
        document = json.loads(data)
        named = _files(document)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        yield Problem(Rule.FACTS, sbom.FILE, "is no bill of materials of ours")
        return
    for name in sorted({name for name, _ in named.items() ^ files.items()}):
        pair = named.get(name), files.get(name)
        yield Problem(Rule.LOCKS, sbom.FILE, f"{name}: its sha256 is {pair[0]}, and on its project's page {pair[1]}")
    if document.get("serialNumber") != sbom.serial_number(document):
        yield Problem(Rule.FACTS, sbom.FILE, "its serialNumber is not that of its content")
