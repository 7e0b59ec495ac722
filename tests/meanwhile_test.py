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

from scripts import fingerprint, manifest, release, whole_run

ALPHA, BETA, GAMMA = (wheel(name, "1.0") for name in ("alpha", "beta", "gamma"))
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
    before, gathered = tree(live(checkout)), list[str]()
    checkout.upstream.add(BETA)
    approve(ALPHA, BETA)
    meanwhile(monkeypatch, whole_run, "gather", lambda: gathered.append(step))
    meanwhile(monkeypatch, whole_run, step, lambda: approve(BETA))
    assert refusal(checkout) == CHANGED
    assert bool(gathered) == (step not in {"read_approved", "opened"})  # nobody waits for what is not published
    assert tree(live(checkout)) == before


def test_a_later_change_is_for_the_next_run(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    checkout.upstream.add(BETA)
    meanwhile(monkeypatch, whole_run, "next_due", lambda: approve(BETA))
    publish(checkout, ALPHA, BETA)
    assert not (checkout.root / ".last-run").exists()
    checkout.index()
    assert BETA.filename in pool(checkout)
    assert ALPHA.filename not in pool(checkout)


@pytest.mark.parametrize("name", [".fetch.py.swp", "__pycache__/x.pyc", ".git/lock", ".more/x"])
def test_what_editors_and_version_control_keep_is_no_change(tmp_path: Path, name: str) -> None:
    (tmp_path / "fetch.py").touch()
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).touch()
    assert fingerprint._files(tmp_path) == [tmp_path / "fetch.py"]


@pytest.mark.parametrize("is_next_to_work", [False, True])
@pytest.mark.parametrize(("module", "step"), [(manifest, "sha256_of"), (release, "_write"), (release, "_prune")])
def test_a_file_that_changes_once_it_was_read_is_not_believed(
    checkout: Checkout, module: Any, step: str, *, is_next_to_work: bool
) -> None:
    publish(checkout, ALPHA)
    place = checkout.root / "packages" / ALPHA.filename

    def damage() -> None:
        with place.open("r+b") as file:
            file.write(b"evil")

    with pytest.MonkeyPatch.context() as once:
        if module is manifest:
            work = manifest.sha256_of

            def read_and_damage(path: Path | str, *known: Any) -> str:
                sha256: str = work(path, *known)
                if str(path) == str(place):
                    damage()
                return sha256

            once.setattr(manifest, "sha256_of", read_and_damage)
        else:
            meanwhile(once, module, step, damage)
        publish(checkout, ALPHA, BETA)
    assert place.read_bytes()[:4] == b"evil"
    if is_next_to_work:
        publish(checkout, ALPHA, BETA, GAMMA)
    else:
        checkout.index()
    assert place.read_bytes() == ALPHA.data


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
