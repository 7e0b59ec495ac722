"""Known vulnerabilities of pins, by the real pip-audit and services on loopback."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from advisory_service import AdvisoryService, osv

from scripts import advisories
from scripts.advisories import Advisory, Audit
from scripts.pip_environment import pip_environment

Pin = tuple[str, str]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[AdvisoryService]:
    with AdvisoryService(tmp_path) as running:
        yield running


def find(service: AdvisoryService, *pins: Pin, **settings: Any) -> Audit:
    return advisories.find(pins, "osv", settings.pop("url", service.url), os.environ, **settings)


def reason(service: AdvisoryService, *pins: Pin, **settings: Any) -> str:
    """Why nothing could be checked."""
    found = find(service, *(pins or [("a", "1")]), **settings)
    assert found.checked == {}
    (told,) = set(found.unchecked.values())
    return told


def test_a_pin_has_its_advisories_and_another_one_none(service: AdvisoryService) -> None:
    service.advisories["a", "1"] = [
        osv("a", "GHSA-2", aliases=["CVE-2026-2", "BIT-2"], fixed="1.1"),
        osv("a", "GHSA-1", affected=[], summary=None, details="Long\n\nstory \x1b[2J" + "x" * 400),
    ]
    long = "Long story [2J" + "x" * 286
    assert find(service, ("a", "1"), ("b", "2")) == Audit(
        {
            ("a", "1"): [
                Advisory("CVE-2026-2", ("BIT-2", "GHSA-2"), ("1.1",), "It is bad."),
                Advisory("GHSA-1", (), (), f"{long}…"),
            ],
            ("b", "2"): [],
        },
        {},
    )


def test_every_version_of_a_project_is_audited(service: AdvisoryService) -> None:
    service.advisories["a-b", "1"] = [osv("a-b", "OLD")]
    service.advisories["a-b", "3!3+cpu"] = [osv("a-b", "NEW")]
    found = find(service, ("A.b", "1"), ("a-b", "2"), ("a-b", "3!3+cpu"), ("a-b", "2"))
    assert {pin: [each.id for each in told] for pin, told in found.checked.items()} == {
        ("A.b", "1"): ["OLD"],
        ("a-b", "2"): [],
        ("a-b", "3!3+cpu"): ["NEW"],
    }
    assert sorted(service.asked) == [("a-b", "1"), ("a-b", "2"), ("a-b", "3!3+cpu")]


def test_many_pins_are_asked_for_once_each(service: AdvisoryService) -> None:
    pins = [(f"p{number}", "1") for number in range(120)]
    assert find(service, *pins) == Audit({pin: [] for pin in sorted(pins)}, {})
    assert sorted(service.asked) == sorted(pins)


def test_a_withdrawn_advisory_does_not_count(service: AdvisoryService) -> None:
    service.advisories["a", "1"] = [osv("a", "X", withdrawn="2026-01-01T00:00:00Z")]
    assert find(service, ("a", "1")) == Audit({("a", "1"): []}, {})


def test_no_pins_need_no_service(service: AdvisoryService) -> None:
    service.fault = "500"
    assert find(service) == Audit({}, {})


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("500", "HTTP 500"),
        ("nonsense", "its answer is not JSON"),
        ("truncate", "its answer breaks off"),
        ("strange", "pip-audit fails with KeyError: 'vulns'"),
        ("hang", "no answer in time"),
    ],
)
def test_an_answer_that_is_none_is_not_checked(service: AdvisoryService, fault: Any, expected: str) -> None:
    service.fault = fault
    assert reason(service, timeout=1) == f"the service osv at {service.url}: {expected}"


def test_a_service_that_is_down_is_not_checked_and_its_password_not_told(service: AdvisoryService) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens
        port = taken.getsockname()[1]
        url = f"http://user:secret@127.0.0.1:{port}/v1/query"
        assert reason(service, url=url) == f"the service osv at http://127.0.0.1:{port}/v1/query: no connection"


def test_what_is_no_url_is_not_checked(service: AdvisoryService) -> None:
    assert reason(service, url="ours") == "the service osv at ours: no URL that can be asked"


def test_a_service_that_never_ends_is_given_up(service: AdvisoryService) -> None:
    service.fault = "hang"
    assert reason(service, timeout=60, limit=1) == f"the service osv at {service.url}: not done within 1 seconds"


def test_pins_of_which_the_service_says_nothing_are_named(service: AdvisoryService) -> None:
    service.fault, service.fault_of = "500", ("p7", "2")
    service.advisories["p7", "1"] = [osv("p7", "X")]
    assert find(service, ("p7", "1"), ("p7", "2")) == Audit(
        {("p7", "1"): [Advisory("X", (), ("9",), "It is bad.")]},
        {("p7", "2"): f"the service osv at {service.url}: HTTP 500"},
    )


def test_what_pip_audit_leaves_out_is_not_checked(service: AdvisoryService) -> None:
    service.advisories["a", "1"] = [osv("a", "X", schema_version="2.0.0")]
    service.advisories["b", "1"] = [osv("b", "Y")]
    assert find(service, ("a", "1"), ("b", "1")) == Audit(
        {("b", "1"): [Advisory("Y", (), ("9",), "It is bad.")]},
        {("a", "1"): "pip-audit left out a part of the answer (Unsupported OSV schema version: 2.0.0)"},
    )


def test_settings_of_pip_audit_in_the_environment_do_not_count(
    service: AdvisoryService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    service.advisories["a", "1"] = [osv("a", "X")]
    monkeypatch.setenv("PIP_AUDIT_OUTPUT", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("PIP_AUDIT_FORMAT", "columns")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert [each.id for each in find(service, ("a", "1")).checked["a", "1"]] == ["X"]
    assert not (tmp_path / "elsewhere").exists()
    assert not (tmp_path / "cache").exists()
    assert not (tmp_path / "home").exists()


def at_pypi(service: AdvisoryService, *pins: Pin) -> Audit:
    """What the service at the fixed address says, with pip's proxy and certificates."""
    return advisories.find(pins, "pypi", "", {**os.environ, **service.proxy})


def test_a_project_that_pypi_does_not_know_is_not_checked_and_the_others_are(service: AdvisoryService) -> None:
    told = {"id": "PYSEC-1", "aliases": ["CVE-1"], "summary": "Bad.", "fixed_in": ["2"]}
    service.advisories |= {("a", "1"): [told], ("b", "1"): []}
    assert at_pypi(service, ("a", "1"), ("b", "1"), ("Our_Own", "1")) == Audit(
        {("a", "1"): [Advisory("PYSEC-1", ("CVE-1",), ("2",), "Bad.")], ("b", "1"): []},
        {("Our_Own", "1"): "Dependency not found on PyPI and could not be audited"},
    )


def test_a_service_with_an_address_of_its_own_takes_no_url() -> None:
    with pytest.raises(ValueError, match=r"\Athe service pypi has an address of its own\Z"):
        advisories.find([("a", "1")], "pypi", "http://127.0.0.1:9", {})


@pytest.mark.live
def test_the_real_service_answers_or_is_told_not_to() -> None:
    pin = ("jinja2", "2.4.1")  # with vulnerabilities that have been known for years
    found = advisories.find([pin], "pypi", "", pip_environment())
    assert found.checked.get(pin) or found.unchecked[pin]
