"""What changes while `make index` works: the checkout, the shared folder, the key; it never tells what is not so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from approved import approve
from conftest import Checkout
from distributions import wheel
from index_test import refusal, tree
from publish_test import live, pool, publish
from signers import make_signer

from scripts import release, whole_run

ALPHA, BETA = (wheel(name, "1.0") for name in ("alpha", "beta"))
CHANGED = "the checkout, or our own code, changed while make index worked with it; nothing is published, run it again"


def meanwhile(patch: pytest.MonkeyPatch, module: Any, function: str, what: Callable[[], object]) -> None:
    """Have something happen whenever a run comes to a function of ours, before that does its work."""
    works = getattr(module, function)

    def happened(*arguments: Any, **options: Any) -> Any:
        what()
        return works(*arguments, **options)

    patch.setattr(module, function, happened)


@pytest.mark.parametrize("step", ["read_approved", "opened", "gather", "build_and_ask", "stage"])
def test_a_checkout_that_changes_is_not_published(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    publish(checkout, ALPHA)
    before = tree(live(checkout))
    checkout.upstream.add(BETA)
    approve(ALPHA, BETA)
    meanwhile(monkeypatch, whole_run, step, lambda: approve(BETA))
    assert refusal(checkout) == CHANGED
    assert tree(live(checkout)) == before


def test_a_later_change_is_for_the_next_run(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    checkout.upstream.add(BETA)
    meanwhile(monkeypatch, whole_run, "next_due", lambda: approve(BETA))
    publish(checkout, ALPHA, BETA)
    assert not (checkout.root / ".last-run").exists()
    checkout.index()
    assert BETA.filename in pool(checkout)
    assert ALPHA.filename not in pool(checkout)


@pytest.mark.parametrize("is_next_to_work", [False, True])
def test_a_file_that_changes_once_it_was_read_is_not_believed(checkout: Checkout, *, is_next_to_work: bool) -> None:
    def damage() -> None:
        with (checkout.root / "packages" / ALPHA.filename).open("r+b") as file:
            file.write(b"evil")

    with pytest.MonkeyPatch.context() as once:
        meanwhile(once, release, "_prune", damage)
        publish(checkout, ALPHA)
    assert (checkout.root / "packages" / ALPHA.filename).read_bytes()[:4] == b"evil"
    if is_next_to_work:
        publish(checkout, ALPHA, BETA)
    else:
        checkout.index()
    assert (checkout.root / "packages" / ALPHA.filename).read_bytes() == ALPHA.data


def test_a_key_that_is_gone_by_the_end_leaves_no_record(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    signer = make_signer(tmp_path / "keys")
    meanwhile(monkeypatch, release, "_prune", lambda: signer.key.unlink(missing_ok=True))
    checkout.upstream.add(ALPHA)
    approve(ALPHA)
    assert checkout.index(f"--signing-key={signer.key}", f"--allowed-signers={signer.allowed}") == 0
    assert "published" in capsys.readouterr().err
    assert not (checkout.root / ".last-run").exists()
