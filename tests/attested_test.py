"""scripts/attested.py: the publisher of a project is recorded, required, and may not change unseen."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from approved import approve
from attestations_test import BY, GOOD, NAME, SHA256
from conftest import Checkout
from distributions import Distribution, wheel
from index_test import refusal
from manifests import remake
from policy_test import errors, says, waive

from scripts.pip_environment import pip_environment
from scripts.upstream import Upstream

TARGET = (
    'python_versions: ["3.12"]\nplatforms: [manylinux_2_28_x86_64]\nclosure: off\nallow_sdists: [pypi-attestations]\n'
)
KEY = "requirements: 3.12-manylinux_2_28_x86_64"
# An object as an index may give it, which no key has signed.
UNSIGNED = b'{"version": 1, "attestation_bundles": [{"publisher": {"kind": "GitHub"}, "attestations": [{}]}]}'
OLD, NEW = wheel("alpha", "1.0"), wheel("alpha", "1.1")
OURS, THEIRS = "GitHub ours/alpha (release.yml)", "GitHub theirs/alpha (release.yml)"


def rules(checkout: Checkout, text: str) -> None:
    policy = f"policy: {{attestations: {text}}}\n" if text else ""
    (checkout.path / "packages.yaml").write_text(TARGET + policy)


def publish(checkout: Checkout, *distributions: Distribution) -> None:
    approve(*distributions)
    assert checkout.index() == 0


def live_file(checkout: Checkout, filename: str) -> dict[str, Any]:
    page = json.loads((checkout.root / "web" / "simple" / "alpha" / "index.json").read_text())
    found: dict[str, Any] = next(file for file in page["files"] if file["filename"] == filename)
    return found


def verified_before(checkout: Checkout, publishers: dict[str, str]) -> None:
    """Let the live release say who published files, as it does once their provenance was verified."""
    path = checkout.root / "web" / "simple" / "alpha" / "index.json"
    page = json.loads(path.read_text())
    for file in page["files"]:
        if file["filename"] in publishers:
            file["_publisher"] = publishers[file["filename"]]
    path.write_text(json.dumps(page))
    remake((checkout.root / "web").resolve())


def test_provenance_that_does_not_verify_is_an_error(checkout: Checkout) -> None:
    checkout.upstream.add(OLD, provenance=UNSIGNED)
    rules(checkout, "error")
    approve(OLD)
    assert refusal(checkout).startswith("attestations: alpha 1.0: its provenance is none as PEP 740 says (")
    rules(checkout, "off")
    assert checkout.index() == 0
    assert "_publisher" not in live_file(checkout, OLD.filename)


def test_a_required_attestation_that_is_not_there_is_an_error(checkout: Checkout) -> None:
    for one in (OLD, beta := wheel("beta", "1.0")):
        checkout.upstream.add(one)
    rules(checkout, "{require: [alpha]}")
    approve(OLD, beta)
    fact = "has no attestation, which `require` asks for"
    assert refusal(checkout) == errors(f"attestations: alpha 1.0: {fact} ({OLD.filename}; {KEY})")


def test_a_project_that_never_had_one_needs_none(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    checkout.upstream.add(OLD)
    rules(checkout, "error")
    approve(OLD)
    assert says(checkout, capsys) == []


def test_a_publisher_that_was_verified_is_remembered_and_passed_on(checkout: Checkout) -> None:
    checkout.upstream.add(OLD, provenance=UNSIGNED)
    rules(checkout, "")
    publish(checkout, OLD)
    verified_before(checkout, {OLD.filename: OURS})
    rules(checkout, "error")
    publish(checkout, OLD)
    assert live_file(checkout, OLD.filename)["_publisher"] == OURS
    page = (checkout.root / "web" / "project" / "alpha" / "index.html").read_text()
    assert f"published by <bdi>{OURS}</bdi>" in page


def test_what_was_verified_holds_for_the_same_provenance_alone(checkout: Checkout) -> None:
    checkout.upstream.add(OLD, provenance=UNSIGNED)
    rules(checkout, "")
    publish(checkout, OLD)
    verified_before(checkout, {OLD.filename: OURS})
    path = checkout.root / "web" / "simple" / "alpha" / "index.json"
    path.write_text(path.read_text().replace('"_provenance-sha256": "', '"_provenance-sha256": "0'))
    remake((checkout.root / "web").resolve())
    rules(checkout, "error")
    assert refusal(checkout).startswith("attestations: alpha 1.0: its provenance is none as PEP 740 says (")


def upgraded(checkout: Checkout, provenance: bytes | None) -> None:
    """Lock a new version of a project whose old one had a publisher in the live release."""
    checkout.upstream.add(OLD, provenance=UNSIGNED)
    checkout.upstream.add(NEW, provenance=provenance)
    rules(checkout, "")
    publish(checkout, OLD, NEW)
    verified_before(checkout, {OLD.filename: OURS, NEW.filename: THEIRS} if provenance else {OLD.filename: OURS})
    publish(checkout, OLD)
    verified_before(checkout, {OLD.filename: OURS})
    rules(checkout, "error")
    approve(OLD, NEW)


def test_a_publisher_that_vanishes_is_an_error(checkout: Checkout) -> None:
    upgraded(checkout, None)
    fact = f"has no attestation; what its project had before was published by {OURS}"
    assert refusal(checkout) == errors(f"attestations: alpha 1.1: {fact} ({NEW.filename}; {KEY})")


def test_a_publisher_that_changes_is_an_error(checkout: Checkout) -> None:
    upgraded(checkout, UNSIGNED)
    fact = f"published by {THEIRS}, its project before by {OURS}"
    assert refusal(checkout) == errors(f"attestations: alpha 1.1: {fact} ({NEW.filename}; {KEY})")


def test_a_change_that_was_waived_once_is_the_publisher_from_then_on(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    upgraded(checkout, UNSIGNED)
    waive(checkout, "attestations", versions="==1.1")
    assert says(checkout, capsys) == ["1 waived by waivers.yaml"]
    assert says(checkout, capsys) == ["waivers.yaml: 1: attestations, alpha ==1.1: matches nothing; remove it"]
    assert live_file(checkout, NEW.filename)["_publisher"] == THEIRS


@pytest.mark.live
def test_a_real_publisher_is_verified_and_recorded(checkout: Checkout, tmp_path: Path) -> None:
    registry = Upstream(pip_environment(), time.monotonic() + 120)
    page = registry.pages(["pypi-attestations"])["pypi-attestations"]
    assert page is not None
    url = next(file.url for file in page.files if file.filename == NAME)
    registry.download(url, 10**6, tmp_path / NAME)
    real = Distribution(NAME, (tmp_path / NAME).read_bytes(), b"")
    assert real.sha256 == SHA256
    checkout.upstream.add(real, provenance=GOOD, project="pypi-attestations")
    rules(checkout, "{require: [pypi-attestations]}")
    approve(real)
    assert checkout.index() == 0
    told = json.loads((checkout.root / "web" / "simple" / "pypi-attestations" / "index.json").read_text())
    assert told["files"][0]["_publisher"] == BY
