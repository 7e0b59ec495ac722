"""What is offered -> sbom.cdx.json: a CycloneDX 1.6 bill of materials, with a component a version.

A component has its purl, its licence as METADATA states it, and what it needs of the others. Each file is an external
reference of the type `distribution`, with its sha256 and a URL that is relative to the document: a component's own
`hashes` are those of one file, so that they stand there only where a version has one.

Nothing in it depends on when or where it was made. The serial number is a UUID of the content.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import groupby, islice
from pathlib import Path
from uuid import NAMESPACE_OID, uuid5

from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense, License, LicenseAcknowledgement, LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.spdx import fixup_id
from packageurl import PackageURL

from scripts import licenses
from scripts.distribution import About
from scripts.facts import Json
from scripts.license_names import known_tree
from scripts.list_files import File
from scripts.offer import Offer
from scripts.sbom_graph import Graph, graph_of
from scripts.texts import one_line

FILE = "sbom.cdx.json"
_INDEX = "pypi-index"  # the component that stands for all of it
_MOST_TEXT = 500
# The library compares each component with the others of its document: many small ones take a tenth of the time.
_AT_ONCE = 20


def _purl(file: File) -> PackageURL:
    """Name a version; what was built in-house is none of PyPI's, where another project may have its name."""
    kind = "generic" if file.facts.first_party else "pypi"
    return PackageURL(kind, None, file.distribution.name, str(file.distribution.version))


@cache
def _license(name: str, *, is_alone: bool) -> License:
    """Return a licence by its SPDX id, or as an expression, which may not stand beside others, or under its name."""
    tree = known_tree(name)
    if tree is not None and (known := fixup_id(str(tree))):
        return DisjunctiveLicense(id=known, acknowledgement=LicenseAcknowledgement.DECLARED)
    if tree is not None and is_alone:
        return LicenseExpression(str(tree), acknowledgement=LicenseAcknowledgement.DECLARED)
    return DisjunctiveLicense(name=one_line(name, _MOST_TEXT), acknowledgement=LicenseAcknowledgement.DECLARED)


def _licenses(stated: licenses.License) -> list[License]:
    names = [name for name in stated.stated if one_line(name, _MOST_TEXT)]
    return [_license(name, is_alone=len(names) == 1) for name in names]


def _sha256(value: str) -> list[HashType]:
    return [HashType(alg=HashAlgorithm.SHA_256, content=value)]


def _references(file: File) -> Iterator[ExternalReference]:
    one = file.distribution
    url = XsUri(f"packages/{one.filename}")
    yield ExternalReference(type=ExternalReferenceType.DISTRIBUTION, url=url, hashes=_sha256(one.sha256))
    if file.facts.provenance is not None:
        url = XsUri(f"provenance/{one.filename}.json")
        yield ExternalReference(type=ExternalReferenceType.ATTESTATION, url=url)


def _about(files: Sequence[File]) -> About:
    """Return what a version says of itself; an sdist's word is not read."""
    wheels = (file.distribution for file in files if file.distribution.metadata is not None)
    return next((wheel.about for wheel in wheels), About())


def _component(files: Sequence[File]) -> Component:
    one, about, purl = files[0].distribution, _about(files), _purl(files[0])
    publishers = {file.facts.publisher for file in files}
    return Component(
        type=ComponentType.LIBRARY,
        name=one.name,
        version=str(one.version),
        bom_ref=str(purl),
        purl=purl,
        description=one_line(about.summary, _MOST_TEXT) or None,
        licenses=_licenses(about.stated),
        hashes=_sha256(one.sha256) if len(files) == 1 else (),
        external_references=[reference for file in files for reference in _references(file)],
        publisher=publishers.pop() if len(publishers) == 1 else None,
    )


def _components(files: Sequence[File]) -> Iterator[Component]:
    ordered = sorted(files, key=lambda file: (file.distribution.name, file.distribution.version))
    for _, group in groupby(ordered, lambda file: (file.distribution.name, file.distribution.version)):
        yield _component(tuple(group))


def _written(bom: Bom) -> Json:
    document: Json = json.loads(JsonV1Dot6(bom).output_as_string())
    return document


def _dependencies(graph: Graph) -> list[Json]:
    named = {ref or _INDEX: sorted(needed) for ref, needed in sorted(graph.items())}
    return [{"ref": ref, "dependsOn": needed} if needed else {"ref": ref} for ref, needed in named.items()]


def serial_number(document: Json) -> str:
    """Return the serial number of a document with this content, whatever number it has now."""
    return f"urn:uuid:{uuid5(NAMESPACE_OID, json.dumps(document | {'serialNumber': ''}, sort_keys=True))}"


def document(offer: Offer) -> Json:
    """Return the bill of materials of what is offered."""
    bom = Bom()
    bom.metadata.component = Component(type=ComponentType.PLATFORM, name=_INDEX, bom_ref=_INDEX)
    whole, rest = _written(bom), _components(offer.files)
    whole["metadata"].pop("timestamp")  # type: ignore[attr-defined]
    found: list[Json] = []
    while some := list(islice(rest, _AT_ONCE)):
        found += _written(Bom(components=some))["components"]  # type: ignore[arg-type]
    refs = {file.distribution.filename: str(_purl(file)) for file in offer.files}
    whole |= {"components": found, "dependencies": _dependencies(graph_of(offer, refs))}
    return whole | {"serialNumber": serial_number(whole)}


def write(offer: Offer, site: Path) -> None:
    """Write the bill of materials of what is offered."""
    text = json.dumps(document(offer), separators=(",", ":"), sort_keys=True)
    (site / FILE).write_text(text, encoding="ascii")
