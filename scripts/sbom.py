"""What is offered -> sbom.cdx.json: a CycloneDX 1.6 bill of materials, with a component a version.

A component has its purl, its licence as METADATA states it, and what it needs of the others. Each file is an external
reference of the type `distribution`, with its sha256 and a URL that is relative to the document: a component's own
`hashes` are those of one file, so that they stand there only where a version has one.

Nothing in it depends on when or where it was made. The serial number is a UUID of the content.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from urllib.parse import quote
from uuid import NAMESPACE_OID, UUID

from cyclonedx.spdx import fixup_id

from scripts import licenses
from scripts.core_metadata import About
from scripts.facts import Json
from scripts.license_names import known_tree
from scripts.list_files import File
from scripts.offer import Offer
from scripts.sbom_graph import graph_of
from scripts.texts import one_line

FILE = "sbom.cdx.json"
_INDEX = "pypi-index"  # the component that stands for all of it
_MOST_TEXT = 500
# CycloneDX's own library takes ten times as long, since it compares and hashes whole components; a test compares what
# is written here with what it writes.
_HEAD: Json = {"$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json", "bomFormat": "CycloneDX"}
_TAIL: Json = {
    "metadata": {"component": {"bom-ref": _INDEX, "name": _INDEX, "type": "platform"}},
    "serialNumber": "",
    "specVersion": "1.6",
    "version": 1,
}
_text = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


def _purl(file: File) -> str:
    """Name a version; what was built in-house is none of PyPI's, where another project may have its name."""
    kind = "generic" if file.facts.first_party else "pypi"
    return f"pkg:{kind}/{file.distribution.name}@{quote(str(file.distribution.version))}"


@cache
def _license(name: str, *, is_alone: bool) -> tuple[str, str]:
    """Return a licence by its SPDX id, or as an expression, which may not stand beside others, or under its name."""
    tree = known_tree(name)
    if tree is not None and (known := fixup_id(str(tree))):
        return "id", known
    if tree is not None and is_alone:
        return "expression", str(tree)
    return "name", one_line(name, _MOST_TEXT)


def _licenses(stated: licenses.License) -> list[Json]:
    names = [name for name in stated.stated if one_line(name, _MOST_TEXT)]
    found = sorted({_license(name, is_alone=len(names) == 1) for name in names})
    told: list[Json] = [{"acknowledgement": "declared", kind: text} for kind, text in found]
    return [one if "expression" in one else {"license": one} for one in told]


def _sha256(value: str) -> list[Json]:
    return [{"alg": "SHA-256", "content": value}]


def _references(file: File) -> Iterator[Json]:
    one = file.distribution
    if file.facts.provenance is not None:
        yield {"type": "attestation", "url": f"provenance/{one.filename}.json"}
    yield {"type": "distribution", "url": f"packages/{one.filename}", "hashes": _sha256(one.sha256)}


def _kind_and_url(reference: Json) -> tuple[str, str]:
    return str(reference["type"]), str(reference["url"])


def _about(files: Sequence[File]) -> About:
    """Return what a version says of itself; an sdist's word is not read."""
    wheels = (file.distribution for file in files if file.distribution.metadata is not None)
    return next((wheel.about for wheel in wheels), About())


def _component(files: Sequence[File], purl: str) -> Json:
    one, about = files[0].distribution, _about(files)
    publishers = {file.facts.publisher for file in files}
    told: dict[str, object] = {
        "type": "library",
        "name": one.name,
        "version": str(one.version),
        "bom-ref": purl,
        "purl": purl,
        "description": one_line(about.summary, _MOST_TEXT),
        "licenses": _licenses(about.stated),
        "hashes": _sha256(one.sha256) if len(files) == 1 else (),
        "externalReferences": sorted((each for file in files for each in _references(file)), key=_kind_and_url),
        "publisher": publishers.pop() if len(publishers) == 1 else None,
    }
    return {key: value for key, value in told.items() if value}


def _components(files: Sequence[File], refs: Mapping[str, str]) -> Iterator[Json]:
    ordered = sorted(files, key=lambda file: (file.distribution.name, file.distribution.version))
    for _, group in groupby(ordered, lambda file: (file.distribution.name, file.distribution.version)):
        of_version = tuple(group)
        yield _component(of_version, refs[of_version[0].distribution.filename])


def _dependencies(graph: Iterable[tuple[str, set[str]]]) -> Iterator[Json]:
    for ref, needed in graph:
        yield {"ref": ref or _INDEX, "dependsOn": sorted(needed)} if needed else {"ref": ref or _INDEX}


def _array(values: Iterable[object]) -> Iterator[str]:
    yield "["
    for place, value in enumerate(values):
        yield f",{_text(value)}" if place else _text(value)
    yield "]"


def _pieces(document: Mapping[str, object]) -> Iterator[str]:
    """Yield a document's text, its keys sorted; what an iterator brings is written as it comes.

    In an index of 100,000 files the whole takes half a gigabyte of memory.
    """
    for place, (key, value) in enumerate(sorted(document.items())):
        yield f'{"," if place else "{"}"{key}":'
        if isinstance(value, Iterator):
            yield from _array(value)
        else:
            yield _text(value)
    yield "}"


def begin_digest() -> hashlib._Hash:
    """Begin a UUID of version 5 (RFC 9562), which is a SHA-1 by definition."""
    return hashlib.sha1(NAMESPACE_OID.bytes, usedforsecurity=False)


def number_of(digest: hashlib._Hash) -> str:
    """Return the serial number of a document, given the digest of its text with an empty one in its place."""
    return f"urn:uuid:{UUID(bytes=digest.digest()[:16], version=5)}"


def head() -> str:
    """Return what stands before the components, as it is written."""
    return f"{_text(_HEAD)[:-1]},"


def tail(number: str) -> str:
    """Return what stands behind the dependencies, as it is written."""
    return f",{_text(_TAIL | {'serialNumber': number})[1:]}"


def write(offer: Offer, site: Path) -> None:
    """Write the bill of materials of what is offered."""
    refs = {file.distribution.filename: _purl(file) for file in offer.files}
    digest = begin_digest()
    with (site / FILE).open("wb") as file:
        lists = {"components": _components(offer.files, refs), "dependencies": _dependencies(graph_of(offer, refs))}
        for text in _pieces(_HEAD | lists | _TAIL):
            data = text.encode()
            digest.update(data)
            file.write(data)
        file.seek(-len(tail("")), os.SEEK_END)  # the number is known only now
        file.write(tail(number_of(digest)).encode())
