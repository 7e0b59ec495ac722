"""scripts/certificates.py: whose certificates an upstream over HTTPS may have."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from authority import Authority
from distributions import wheel
from upstream import Upstream

from scripts.upstream import Upstream as Reader
from scripts.upstream import UpstreamError

# One, so that no thread goes on where another has failed: ssl leaves a socket open where its server goes down then.
ONE = ["project-0"]
MANY = [f"project-{number}" for number in range(12)]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def upstream(authority: Authority) -> Iterator[Upstream]:
    with Upstream(authority.context("localhost")) as running:
        for name in MANY:
            running.add(wheel(name, "1.0"))
        yield running


@pytest.fixture(autouse=True)
def nothing_is_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


def read(upstream: Upstream, trusted: Path | None, own: Path | None = None, names: list[str] = ONE) -> list[str]:
    places = {"PIP_CERT": trusted, "PIP_CLIENT_CERT": own}
    certificates = {name: str(place) for name, place in places.items() if place}
    reader = Reader({"PIP_INDEX_URL": upstream.url, **certificates}, time.monotonic() + 60)
    return sorted(name for name, page in reader.pages(names).items() if page and page.files)


def test_who_is_trusted_is_read_once_for_all_connections(
    upstream: Upstream, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[tuple[Any, ...]] = []
    load = ssl.SSLContext.load_verify_locations

    def counted(context: ssl.SSLContext, *places: Any, **named: Any) -> None:
        loaded.append((*places, *named.values()))
        load(context, *places, **named)

    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", counted)
    assert read(upstream, authority.path, names=MANY) == sorted(MANY)
    assert loaded == [(str(authority.path),)]


def test_who_is_trusted_may_stand_in_a_folder(upstream: Upstream, authority: Authority, tmp_path: Path) -> None:
    folder = tmp_path / "trusted"
    folder.mkdir()
    # OpenSSL finds a certificate by a digest of its subject, CN=authority.
    (folder / "aabdaf6b.0").write_bytes(authority.path.read_bytes())
    assert read(upstream, folder) == ONE


def test_what_the_environment_trusts_counts_as_for_pip(
    upstream: Upstream, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.path))
    assert read(upstream, None) == ONE


@pytest.mark.parametrize("trusted", ["another's", "the usual ones"])
def test_no_other_certificate_is_accepted(upstream: Upstream, tmp_path: Path, trusted: str) -> None:
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other").path if trusted == "another's" else None
    with pytest.raises(UpstreamError, match=r"/: its certificate is not accepted; is UPSTREAM right, and up\?"):
        read(upstream, other)


def test_no_other_host_is_accepted(authority: Authority) -> None:
    with Upstream(authority.context("elsewhere")) as running:
        running.add(wheel(ONE[0], "1.0"))
        with pytest.raises(UpstreamError, match="its certificate is not accepted"):
            read(running, authority.path)


@pytest.mark.parametrize("text", [None, "none"])
def test_a_file_without_certificates_is_named(upstream: Upstream, tmp_path: Path, text: str | None) -> None:
    place = tmp_path / "trusted.pem"
    if text:
        place.write_text(text)
    with pytest.raises(UpstreamError, match=f": {place} has no certificates; "):
        read(upstream, place)


def test_an_upstream_may_ask_for_a_certificate_of_ours(authority: Authority, tmp_path: Path) -> None:
    context, ours, nobodys = authority.context("localhost"), tmp_path / "served.pem", tmp_path / "nobodys.pem"
    context.load_verify_locations(authority.path)
    context.verify_mode = ssl.CERT_REQUIRED
    with Upstream(context) as running:
        running.add(wheel(ONE[0], "1.0"))
        assert read(running, authority.path, ours) == ONE
        with pytest.raises(UpstreamError, match=f": {nobodys} has no certificate with its key; "):
            read(running, authority.path, nobodys)
        with pytest.raises(UpstreamError):
            read(running, authority.path)
