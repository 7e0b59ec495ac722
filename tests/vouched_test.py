"""scripts/memory.py: what a release tells counts as its manifest lists it, and those who sign vouch for that."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from approved import approve
from conftest import Checkout
from distributions import Distribution, wheel
from index_test import refusal
from manifests import remake
from publish_test import live
from signers import Signer, make_signer

from scripts import config, locks
from scripts.facts import Json

ALPHA, BETA = wheel("alpha", "1.0"), wheel("beta", "1.0")
TARGET = 'python_versions: ["3.12"]\nplatforms: [manylinux_2_28_x86_64]\nclosure: off\n'
REQUIRED = f"{TARGET}policy: {{attestations: {{require: [alpha]}}}}\n"
PROVENANCE = json.dumps({"version": 1, "attestation_bundles": [{"a": 1}]}).encode()
Damage = Callable[[Path], None]


def page_of(release: Path) -> Path:
    return release / "simple" / "alpha" / "index.json"


def told(checkout: Checkout) -> Json:
    """Return what the live release tells of alpha's file."""
    found: Json = json.loads(page_of(live(checkout)).read_text())["files"][0]
    return found


def settings(checkout: Checkout, text: str) -> None:
    (checkout.path / "packages.yaml").write_text(text)
    approve(ALPHA, BETA)


def start(checkout: Checkout, *options: str, **told_upstream: object) -> None:
    checkout.upstream.add(ALPHA, **told_upstream)  # type: ignore[arg-type]
    checkout.upstream.add(BETA)
    approve(ALPHA, BETA)
    checkout.index(*options)


def options_of(signer: Signer) -> Sequence[str]:
    return f"--signing-key={signer.key}", f"--allowed-signers={signer.allowed}"


def cut(page: Path) -> None:
    page.write_bytes(page.read_bytes()[:100])


def unyank(page: Path) -> None:
    page.write_bytes(page.read_bytes().replace(b'"yanked":"bad"', b'"yanked":false'))


@pytest.mark.parametrize("damage", [Path.unlink, cut, unyank])
def test_of_a_page_that_was_changed_the_upstream_is_asked_again(
    checkout: Checkout, damage: Damage, capfd: pytest.CaptureFixture[str]
) -> None:
    start(checkout, yanked="bad", provenance=PROVENANCE)
    before = told(checkout)
    damage(page_of(live(checkout)))
    capfd.readouterr()
    checkout.index()
    assert told(checkout) == {**before, "_approved": told(checkout)["_approved"]}
    asked = "alpha: what the upstream says of it is not told here, or by a page that was changed; it is asked again\n"
    assert capfd.readouterr().err.startswith(asked)


def test_where_it_cannot_be_asked_pages_are_mended_without_its_word(
    checkout: Checkout, capfd: pytest.CaptureFixture[str]
) -> None:
    start(checkout, yanked="bad")
    page_of(live(checkout)).unlink()
    checkout.upstream.stop()
    checkout.index()
    assert "yanked" not in told(checkout)
    assert "alpha: published without what the upstream says: http" in capfd.readouterr().err


def test_an_older_release_s_page_that_was_changed_does_not_count(checkout: Checkout) -> None:
    start(checkout, yanked="bad")
    old = live(checkout)
    approve(BETA)
    checkout.index()
    unyank(page_of(old))
    approve(ALPHA, BETA)
    checkout.index()
    assert told(checkout)["yanked"] == "bad"


def test_what_nobody_signed_does_not_count_where_signers_are_named(checkout: Checkout, tmp_path: Path) -> None:
    options = options_of(make_signer(tmp_path / "keys"))
    settings(checkout, TARGET)
    start(checkout, *options)
    release, page = live(checkout), json.loads(page_of(live(checkout)).read_text())
    (release / "provenance").mkdir()
    (release / "provenance" / f"{ALPHA.filename}.json").write_bytes(PROVENANCE)
    forged = {"_provenance-sha256": hashlib.sha256(PROVENANCE).hexdigest(), "_publisher": "GitHub: trusted/alpha"}
    page["files"][0] |= forged
    page_of(release).write_text(json.dumps(page))
    remake(release)
    settings(checkout, REQUIRED)
    with pytest.raises(SystemExit) as caught:
        checkout.index(*options)
    assert "alpha 1.0: has no attestation, which `require` asks for" in str(caught.value)


def test_an_unsigned_release_is_not_as_it_should_be_once_signers_are_named(checkout: Checkout, tmp_path: Path) -> None:
    allowed = make_signer(tmp_path / "keys").allowed
    start(checkout)
    with pytest.raises(SystemExit) as caught:
        checkout.index(f"--allowed-signers={allowed}")
    assert str(caught.value).startswith(f"SIGNING_KEY: is not set, and {allowed} says who signs")


def test_nor_is_one_whose_signer_is_named_no_more(checkout: Checkout, tmp_path: Path) -> None:
    one, other = (make_signer(tmp_path / name) for name in ("one", "other"))
    start(checkout, *options_of(one))
    with pytest.raises(SystemExit) as caught:
        checkout.index(f"--signing-key={one.key}", f"--allowed-signers={other.allowed}")
    assert str(caught.value).startswith(f"SIGNING_KEY: {one.key}: what it signs is signed by nobody that")


def test_a_list_that_was_changed_gives_no_file_another_name(checkout: Checkout) -> None:
    start(checkout)
    path = live(checkout) / "files.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"filename": "alpha-1.0', b'"filename": "alpha-1.8'))
    checkout.index()
    assert told(checkout)["filename"] == ALPHA.filename


def test_provenance_that_did_not_come_is_asked_for_by_the_next_run(checkout: Checkout) -> None:
    settings(checkout, REQUIRED)
    checkout.upstream.add(ALPHA, provenance=PROVENANCE)
    checkout.upstream.add(BETA)
    checkout.upstream.fault(f"{ALPHA.filename}.provenance", "500")
    assert "has no attestation" in refusal(checkout)
    checkout.upstream.fault(f"{ALPHA.filename}.provenance", None)
    assert "its provenance is none as PEP 740 says" in refusal(checkout)


def in_house(checkout: Checkout, *ours: Distribution, text: str = TARGET) -> None:
    """Have files come from a folder of the checkout, and their locks say so."""
    (checkout.path / "wheels").mkdir()
    for one in ours:
        one.save(checkout.path / "wheels")
    settings(checkout, f"{text}first_party: wheels\n")
    read = config.load(Path())
    for key, path in locks.existing().items():
        blocks = locks.blocks(locks.read_body(path))
        marks = {block: any(one.sha256 in block for one in ours) for block in blocks}
        body = "".join(block + f"{locks.FIRST_PARTY}\n" * is_ours for block, is_ours in marks.items())
        path.write_text(locks.compose(key, locks.inputs_digest(read, read.sets[0], key.target), locks.tools(), body))


def test_what_an_upstream_told_of_the_same_bytes_is_not_of_an_in_house_file(checkout: Checkout) -> None:
    settings(checkout, TARGET)
    checkout.upstream.statuses["alpha"] = {"status": "archived"}
    start(checkout, yanked="bad", provenance=PROVENANCE)
    in_house(checkout, ALPHA, text=f"{TARGET}policy: {{yanked: error}}\n")
    checkout.index()
    assert told(checkout)["_first-party"] is True
    assert not told(checkout).keys() & {"yanked", "upload-time", "provenance"}
    assert json.loads(page_of(live(checkout)).read_text())["project-status"] == {"status": "active"}


def test_of_what_was_built_in_house_before_the_upstream_is_asked(checkout: Checkout) -> None:
    checkout.upstream.add(ALPHA, yanked="bad")
    checkout.upstream.add(BETA)
    in_house(checkout, ALPHA)
    checkout.index()
    shutil.rmtree(checkout.path / "wheels")
    settings(checkout, f"{TARGET}policy: {{yanked: error}}\n")
    assert "alpha 1.0: yanked upstream: bad" in refusal(checkout)
