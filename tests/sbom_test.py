"""scripts/sbom.py: a release's bill of materials is valid CycloneDX 1.6: what is served, and what needs what."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import pytest
from approved import approve
from bills import serial_number
from conftest import Checkout
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense, LicenseAcknowledgement
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from distributions import sdist, wheel
from offers import file, offer
from packageurl import PackageURL
from upstream import Upstream

from scripts import conformance_sbom, sbom
from scripts.core_metadata import About
from scripts.facts import Facts
from scripts.licenses import License
from scripts.locks import Key
from scripts.offer import Offer
from scripts.target import Target
from scripts.why import Chain

LINUX = Key("requirements", Target("3.12", "manylinux_2_28_x86_64"))
WINDOWS = Key("requirements", Target("3.12", "win_amd64"))
DIRECT = ("requirements", ("app",), "requirements.in:1")


def checked(offered: Offer) -> dict[str, Any]:
    """Return a bill of materials that the schema allows, as it was written."""
    with TemporaryDirectory() as folder:
        sbom.write(offered, Path(folder))
        text = (Path(folder) / sbom.FILE).read_text(encoding="ascii")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    document: dict[str, Any] = json.loads(text)
    assert text == json.dumps(document, separators=(",", ":"), sort_keys=True)
    assert document["serialNumber"] == serial_number(document)
    return document


def component(offered: Offer) -> dict[str, Any]:
    [found] = checked(offered)["components"]
    assert isinstance(found, dict)
    return found


def needs(offered: Offer) -> dict[str, list[str]]:
    """Return the graph, without what all purls begin with."""
    graph = checked(offered)["dependencies"]
    return {one["ref"].removeprefix("pkg:pypi/"): [to[9:] for to in one.get("dependsOn", [])] for one in graph}


def test_a_release_has_a_valid_bill_of_materials(checkout: Checkout, upstream: Upstream) -> None:
    app = upstream.add(wheel("app", "1.0", requires=["lib"], metadata_headers="Summary: An app\nLicense: MIT"))
    lib = upstream.add(wheel("lib", "2.0+cu1"))
    checkout.write("app==1.0\nlib==2.0+cu1\n")
    checkout.lock()
    checkout.index()
    text = (checkout.root / "web" / "sbom.cdx.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    document = json.loads(text)
    assert UUID(document.pop("serialNumber").removeprefix("urn:uuid:")).version == 5

    def distributed(name: str, sha256: str) -> dict[str, object]:
        hashes = [{"alg": "SHA-256", "content": sha256}]
        reference = {"hashes": hashes, "type": "distribution", "url": f"packages/{name}"}
        return {"externalReferences": [reference], "hashes": hashes, "type": "library"}

    assert document == {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"bom-ref": "pypi-index", "name": "pypi-index", "type": "platform"}},
        "components": [
            {
                "bom-ref": "pkg:pypi/app@1.0",
                "purl": "pkg:pypi/app@1.0",
                "name": "app",
                "version": "1.0",
                "description": "An app",
                "licenses": [{"license": {"acknowledgement": "declared", "id": "MIT"}}],
                **distributed(app.filename, app.sha256),
            },
            {
                "bom-ref": "pkg:pypi/lib@2.0%2Bcu1",
                "purl": "pkg:pypi/lib@2.0%2Bcu1",
                "name": "lib",
                "version": "2.0+cu1",
                **distributed(lib.filename, lib.sha256),
            },
        ],
        "dependencies": [
            {"ref": "pypi-index", "dependsOn": ["pkg:pypi/app@1.0", "pkg:pypi/lib@2.0%2Bcu1"]},
            {"ref": "pkg:pypi/app@1.0", "dependsOn": ["pkg:pypi/lib@2.0%2Bcu1"]},
            {"ref": "pkg:pypi/lib@2.0%2Bcu1"},
        ],
    }


def test_the_same_content_is_the_same_document_whatever_its_order() -> None:
    names = ("a-1.0-py3-none-any.whl", "b-1.0-py3-none-any.whl", "a-1.0-cp312-cp312-win_amd64.whl", "a-0.9.tar.gz")
    files = [file(name) for name in names]
    assert checked(offer(*files)) == checked(offer(*files[::-1]))
    assert checked(offer(*files[:2]))["serialNumber"] != checked(offer(*files))["serialNumber"]
    assert [one["bom-ref"] for one in checked(offer(*files))["components"]] == [
        *("pkg:pypi/a@0.9", "pkg:pypi/a@1.0", "pkg:pypi/b@1.0")
    ]


def test_the_files_of_a_version_are_references_of_one_component() -> None:
    names = [f"a-1.0-cp312-cp312-{platform}.whl" for platform in ("manylinux_2_28_x86_64", "win_amd64")]
    found = component(offer(*(file(name, sha256=digit * 64) for name, digit in zip(names, "12", strict=True))))
    assert "hashes" not in found
    assert [(one["url"], one["hashes"][0]["content"]) for one in found["externalReferences"]] == [
        (f"packages/{names[0]}", "1" * 64),
        (f"packages/{names[1]}", "2" * 64),
    ]


def test_provenance_and_publisher_are_told() -> None:
    one = file("a-1.0-py3-none-any.whl")
    found = component(offer(one._replace(facts=Facts(provenance=b"{}", publisher="GitHub a/b"))))
    assert found["publisher"] == "GitHub a/b"
    assert {"type": "attestation", "url": f"provenance/{one.distribution.filename}.json"} in found["externalReferences"]


def test_a_publisher_of_some_files_is_not_the_version_s() -> None:
    wheels = [file(f"a-1.0-{tag}-none-any.whl") for tag in ("py2", "py3")]
    assert "publisher" not in component(offer(wheels[0]._replace(facts=Facts(publisher="GitHub a/b")), wheels[1]))


def test_a_version_is_described_by_its_wheel() -> None:
    source = file("a-1.0.tar.gz", about=About(summary="not read"))
    built = file("a-1.0-py3-none-any.whl", metadata=b"", about=About(summary="A wheel"))
    assert component(offer(source, built))["description"] == "A wheel"


def test_what_was_built_in_house_has_no_purl_of_pypi() -> None:
    found = component(offer(file("acme-1.0-py3-none-any.whl")._replace(facts=Facts(first_party=True))))
    assert (found["purl"], found["bom-ref"]) == ("pkg:generic/acme@1.0", "pkg:generic/acme@1.0")


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        (License(), None),
        (License(("Apache-2.0",), "expression"), [{"license": {"id": "Apache-2.0"}}]),
        (License(("MIT or apache-2.0",), "expression"), [{"expression": "MIT OR Apache-2.0"}]),
        (License(("LicenseRef-Own",), "expression"), [{"expression": "LicenseRef-Own"}]),
        (License(("MIT AND Nobodys",), "expression"), [{"license": {"name": "MIT AND Nobodys"}}]),
        (License(("MIT License", ""), "classifiers"), [{"license": {"id": "MIT"}}]),
        (
            License(("MIT License", "BSD License"), "classifiers"),
            [{"license": {"id": "MIT"}}, {"license": {"name": "BSD License"}}],
        ),
        (
            License(("MIT License", "MIT OR ISC"), "classifiers"),
            [{"license": {"id": "MIT"}}, {"license": {"name": "MIT OR ISC"}}],
        ),
        (License(("Free\u2028for\x1b[2J all",), "text"), [{"license": {"name": "Free for [2J all"}}]),
        (License((" \x1b ",), "text"), None),
        (License(("(" * 3000,), "expression"), [{"license": {"name": "(" * 500 + "…"}}]),
    ],
)
def test_a_licence_is_an_id_an_expression_or_the_name_that_was_stated(stated: License, expected: object) -> None:
    found = component(offer(file("a-1.0-py3-none-any.whl", metadata=b"", about=About(stated=stated)))).get("licenses")
    for one in found or ():
        assert one.get("license", one).pop("acknowledgement") == "declared"
    assert found == expected


def test_any_summary_is_one_line_of_text() -> None:
    about = About(summary="a\x00b\x1b[31m \ud800 </script>" + "x" * 1000)
    found = component(offer(file("a-1.0-py3-none-any.whl", metadata=b"", about=about)))
    assert found["description"] == ("a b [31m </script>" + "x" * 1000)[:500] + "…"


def served(filename: str, *requires: str, on: tuple[Key, ...] = (LINUX,)) -> Any:
    return file(filename, metadata=b"", requires_dist=requires)._replace(serves=on)


def test_the_graph_is_what_is_needed_on_any_target_and_served() -> None:
    app = served("app-1.0-py3-none-any.whl", 'win; os_name == "nt"', "gone", "lib<2", on=(LINUX, WINDOWS))
    libs = [served("lib-1.0-py3-none-any.whl"), served("lib-2.0-py3-none-any.whl", on=())]
    found = needs(offer(app, *libs, served("win-1.0-py3-none-any.whl", on=(WINDOWS,))))
    assert found == {
        "pypi-index": [],
        "app@1.0": ["lib@1.0", "win@1.0"],
        "lib@1.0": [],
        "lib@2.0": [],
        "win@1.0": [],
    }


def test_an_extra_counts_where_something_asks_for_it() -> None:
    app = served("app-1.0-py3-none-any.whl", 'lib; extra == "x"', 'app[y]; extra == "x"', 'more; extra == "y"')
    offered = offer(app, served("lib-1.0-py3-none-any.whl"), served("more-1.0-py3-none-any.whl"))
    assert needs(offered)["app@1.0"] == []
    asked = Offer(offered.files, chains={"app": [Chain(*DIRECT, "app[x]", "")]})
    assert needs(asked) == {
        "pypi-index": ["app@1.0"],
        "app@1.0": ["lib@1.0", "more@1.0"],
        "lib@1.0": [],
        "more@1.0": [],
    }


def test_the_index_needs_what_requirements_name_and_not_what_they_bring() -> None:
    files = offer(served("app-1.0-py3-none-any.whl", "lib"), served("lib-1.0-py3-none-any.whl")).files
    why = [Chain(*DIRECT, 'app; sys_platform == "linux"', ""), Chain("dev", *DIRECT[1:], "lib", "")]
    through = Chain("requirements", ("lib", "app"), "requirements.in:1", "app", "")
    assert needs(Offer(files, chains={"app": why, "lib": [through]}))["pypi-index"] == ["app@1.0"]
    elsewhere = Chain(*DIRECT, 'app; sys_platform == "win32"', "")
    assert needs(Offer(files, chains={"app": [elsewhere]}))["pypi-index"] == []


def test_an_sdist_s_needs_are_not_told(checkout: Checkout, upstream: Upstream) -> None:
    checkout.write(packages_yaml=Path("packages.yaml").read_text() + "allow_sdists: [app]\n")
    approve(upstream.add(sdist("app", "1.0", requires=["lib"])), upstream.add(wheel("lib", "1.0")))
    checkout.index()
    document = json.loads((checkout.root / "web" / "sbom.cdx.json").read_text())
    assert {"ref": "pkg:pypi/app@1.0"} in document["dependencies"]


def test_a_component_is_what_cyclonedx_s_own_library_writes_of_it() -> None:
    stated = License(("MIT License", "Zébra", "Own", "Own", "ISC"), "classifiers")
    names = [f"acme-1!2.0+cu1-{tag}-none-any.whl" for tag in ("py3", "py2")]
    facts = Facts(provenance=b"{}", publisher="GitHub a/b")
    files = [file(name, metadata=b"", about=About("Zébra", stated=stated))._replace(facts=facts) for name in names]

    def reference(kind: ExternalReferenceType, url: str, *hashes: HashType) -> ExternalReference:
        return ExternalReference(type=kind, url=XsUri(url), hashes=hashes)

    def licensed(*, known: str | None = None, name: str | None = None) -> DisjunctiveLicense:
        return DisjunctiveLicense(id=known, name=name, acknowledgement=LicenseAcknowledgement.DECLARED)

    purl = PackageURL("pypi", None, "acme", "1!2.0+cu1")
    sha256 = HashType(alg=HashAlgorithm.SHA_256, content=files[0].distribution.sha256)
    whole = Component(
        type=ComponentType.LIBRARY,
        name="acme",
        version="1!2.0+cu1",
        bom_ref=str(purl),
        purl=purl,
        description="Zébra",
        licenses=[licensed(known="MIT"), licensed(name="Zébra"), licensed(name="Own"), licensed(known="ISC")],
        publisher="GitHub a/b",
        external_references=[
            *(reference(ExternalReferenceType.ATTESTATION, f"provenance/{name}.json") for name in names),
            *(reference(ExternalReferenceType.DISTRIBUTION, f"packages/{name}", sha256) for name in names),
        ],
    )
    [expected] = json.loads(JsonV1Dot6(Bom(components=[whole])).output_as_string())["components"]
    assert component(offer(*files)) == expected


def test_an_index_of_nothing_has_a_valid_one() -> None:
    assert checked(offer())["components"] == []


@pytest.mark.parametrize("size", [1, 7, 64, 10**6])
def test_a_document_is_read_piece_by_piece(size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conformance_sbom, "_PIECE", size)
    files = [served(f"app-{number}.0-py3-none-any.whl", "lib>=1") for number in (1, 2)]
    files.append(served("lib-1.0-py3-none-any.whl"))
    listed = {one.distribution.filename: one.distribution.sha256 for one in files}
    sbom.write(offer(*files), tmp_path)
    assert list(conformance_sbom.problems(tmp_path, listed)) == []
    path = tmp_path / sbom.FILE
    whole = path.read_text()
    path.write_text(whole.replace("lib@1.0", "lib@1.1"))
    wrong = [one.fact for one in conformance_sbom.problems(tmp_path, listed)]
    assert wrong == ["its serialNumber is not that of its content"]
    for text in (whole[:-1], whole[: len(whole) // 2], f"{whole}\n", f" {whole}"):
        path.write_text(text)
        assert [one.path for one in conformance_sbom.problems(tmp_path, listed)] == [sbom.FILE]
