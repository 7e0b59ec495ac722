"""scripts/watch.py, since.py, remedy.py, served.py: what `make watch` says of each thing that may become of a file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from advisory_service import AdvisoryService, osv
from approved import approve
from conftest import Checkout
from distributions import Distribution, wheel

from scripts import watch

KEY = "requirements: 3.12-manylinux_2_28_x86_64"
ALPHA = wheel("alpha", "1.0")
NEWER = wheel("alpha", "1.1")
ABOUT = f"alpha 1.0 ({ALPHA.filename}; {KEY})"
LINE = "requirements.in:1 (alpha==1.0)"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[AdvisoryService]:
    with AdvisoryService(tmp_path) as running:
        yield running


@pytest.fixture
def served(checkout: Checkout, service: AdvisoryService) -> Checkout:
    """A checkout that published alpha 1.0, asked for without a bound."""
    publish(checkout, service, ALPHA)
    return checkout


def settings(service: AdvisoryService, more: str = "") -> str:
    return (
        'resolve_deps: true\npython_versions: ["3.12"]\nplatforms: [manylinux_2_28_x86_64]\nclosure: off\n'
        f"policy:\n  vulnerabilities: {{service: osv, url: '{service.url}', level: warn}}\n{more}"
    )


def publish(checkout: Checkout, service: AdvisoryService, *distributions: Distribution, more: str = "") -> None:
    for one in distributions:
        checkout.upstream.add(one)
    checkout.write(packages_yaml=settings(service, more))
    approve(*distributions)
    assert checkout.index() == 0
    checkout.upstream.requests.clear()
    service.asked.clear()
    names = sorted({one.filename.partition("-")[0] for one in distributions})
    checkout.write("".join(f"{name}\n" for name in names))


def watched(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    """Run what `make watch` runs; returns its status and its lines but the last."""
    capsys.readouterr()
    status = watch.main([f"--root={checkout.root}", f"--upstream={checkout.upstream.url}"])
    told = capsys.readouterr()
    assert told.err == ""
    return status, told.out.splitlines()[:-1]


def test_nothing_new_is_one_line(served: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert watch.main([f"--root={served.root}", f"--upstream={served.upstream.url}"]) == 0
    release = (served.root / "web").readlink().name
    assert capsys.readouterr().out == (
        f"{served.root}: {release}: 1 project compared with the upstream: 0 red, 0 not checked, 0 yellow, 0 waived\n"
    )


def test_a_yank_is_red_and_names_the_version_to_take(served: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    served.upstream.add(ALPHA, yanked="breaks on Tuesdays")
    served.upstream.add(NEWER)
    action = "run make upgrade PACKAGE=alpha, which can take 1.1"
    expected = f"red: {ABOUT}: yanked upstream: breaks on Tuesdays; {action}"
    assert watched(served, capsys) == (1, [expected])
