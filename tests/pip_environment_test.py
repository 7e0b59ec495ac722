"""scripts/pip_environment.py: what of the user's pip configuration reaches our pips, and what does not."""

from __future__ import annotations

import http.client
import os
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from conftest import Checkout
from distributions import wheel
from pip._internal.models.index import PyPI
from upstream import Upstream

from scripts import lock
from scripts.pip_environment import environment_of_server, pip_environment

LOCK = "requirements/3.12-manylinux_2_28_x86_64"
TARGET = 'python_versions: ["3.12"]\nplatforms: [manylinux_2_28_x86_64]\n'
BAD = {
    "no-index": "1",
    "pre": "1",
    "trusted-host": "127.0.0.1",
    "only-binary": ":none:",
    "no-binary": ":all:",
    "require-hashes": "1",
    "platform": "win_amd64",
    "python-version": "3.8",
    "no-deps": "1",
    "uploaded-prior-to": "2001-01-01",
}


@pytest.fixture
def evil(tmp_path: Path) -> Iterator[Upstream]:
    """Another index, and a folder of wheels beside it, with higher versions of all that is asked for."""
    (tmp_path / "wheels").mkdir()
    with Upstream() as running:
        for name in ("alpha", "beta"):
            running.add(wheel(name, "9.0"))
            wheel(name, "8.0").save(tmp_path / "wheels")
        yield running


@pytest.fixture
def wanted(checkout: Checkout, upstream: Upstream) -> Checkout:
    upstream.add(wheel("alpha", "1.0", requires=["beta"]))
    upstream.add(wheel("alpha", "2.0a1", requires=["beta"]))
    upstream.add(wheel("beta", "1.0"))
    checkout.write("alpha\n", packages_yaml=f"{TARGET}resolve_deps: true\n")
    return checkout


def ours() -> dict[str, str]:
    return {name: value for name, value in pip_environment().items() if name.startswith("PIP_")}


def config_file(path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    path.write_text(text)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(path))


def test_only_how_the_upstream_is_reached_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in {
        **BAD,
        "find-links": "/links",
        "constraint": "c.txt",
        "index-url": "https://host/simple/",
    }.items():
        monkeypatch.setenv("PIP_" + name.upper().replace("-", "_"), value)
    for name in ("PROXY", "CERT", "CLIENT_CERT"):
        monkeypatch.setenv(f"PIP_{name}", f"the {name}")
    monkeypatch.setenv("PIP_TIMEOUT", "7.5")
    monkeypatch.setenv("PIP_TOOLS_EXTRA_INDEX_URL", "https://evil/")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/bundle")
    assert ours() == {
        "PIP_CERT": "the CERT",
        "PIP_CLIENT_CERT": "the CLIENT_CERT",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_INDEX_URL": "https://host/simple",
        "PIP_NO_INPUT": "1",
        "PIP_PROXY": "the PROXY",
        "PIP_RETRIES": "2",
        "PIP_TIMEOUT": "7.5",
    }
    assert "PYTHONPATH" not in pip_environment()
    assert pip_environment()["REQUESTS_CA_BUNDLE"] == "/bundle"


def test_a_file_stands_below_its_download_section_and_both_below_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text = "[download]\nproxy = two\ntimeout = 2\n[global]\nindex_url = https://one/\nproxy = one\ntimeout = 1\n"
    config_file(tmp_path / "pip.conf", monkeypatch, f"{text}[install]\nindex-url = https://install/\n")
    found = ours()
    assert (found["PIP_INDEX_URL"], found["PIP_PROXY"], found["PIP_TIMEOUT"]) == ("https://one", "two", "2")
    monkeypatch.setenv("PIP_DEFAULT_TIMEOUT", "3")
    monkeypatch.setenv("PIP_PROXY", "")
    found = ours()
    assert (found["PIP_PROXY"], found["PIP_TIMEOUT"]) == ("two", "3")


def test_without_an_index_url_it_is_pips_default() -> None:
    assert ours()["PIP_INDEX_URL"] == PyPI.simple_url


@pytest.mark.parametrize("url", ["file:///srv/simple", "host/simple", "git+https://host"])
def test_an_upstream_that_is_not_http_is_refused(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    remedy = f"{url} is not an http or https URL; name an index such as https://host/simple/"
    with pytest.raises(SystemExit) as stop:
        pip_environment(url)
    assert str(stop.value) == f"UPSTREAM: {remedy}"
    monkeypatch.setenv("PIP_INDEX_URL", url)
    with pytest.raises(SystemExit) as stop:
        pip_environment()
    assert str(stop.value) == f"pip's index-url: {remedy}"


def test_an_upstream_that_is_no_url_is_refused() -> None:
    with pytest.raises(SystemExit) as refused:
        pip_environment("https://user:secret@[half/simple/")
    assert str(refused.value) == "UPSTREAM: not a URL (Invalid IPv6 URL); name an index such as https://host/simple/"


def test_a_timeout_that_is_no_number_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_TIMEOUT", "soon")
    with pytest.raises(SystemExit) as refused:
        pip_environment()
    assert str(refused.value) == "pip's timeout: 'soon' is not a number of seconds; correct it"


def test_plain_http_is_taken_from_this_machine_only() -> None:
    with pytest.raises(SystemExit) as stop:
        pip_environment("http://user:secret@host/simple/")
    assert str(stop.value) == (
        "UPSTREAM: http://user:****@host/simple/ is plain http, which pip takes from this machine only; "
        "name an https URL"
    )
    for host in ("localhost", "127.0.0.2:8000", "[::1]:8000"):
        assert pip_environment(f"http://{host}/simple/")["PIP_INDEX_URL"] == f"http://{host}/simple"


def test_a_configuration_that_pip_cannot_read_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config_file(tmp_path / "pip.conf", monkeypatch, "index-url = x\n")
    with pytest.raises(SystemExit) as stop:
        pip_environment()
    assert str(stop.value).startswith("pip's configuration cannot be read (")
    assert str(stop.value).endswith("); correct it")


def test_no_other_source_reaches_a_lock(
    wanted: Checkout, evil: Upstream, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert wanted.lock() == 0
    clean = wanted.locked(LOCK)
    (wanted.path / "locks" / f"{LOCK}.txt").unlink()
    (tmp_path / "limits.txt").write_text("alpha<1\n")
    sources = {"extra-index-url": evil.url, "find-links": str(tmp_path / "wheels"), **BAD}
    for name, value in {**sources, "constraint": str(tmp_path / "limits.txt")}.items():
        monkeypatch.setenv("PIP_" + name.upper().replace("-", "_"), value)
    monkeypatch.setenv("PIP_TOOLS_FIND_LINKS", str(tmp_path / "wheels"))
    lines = "".join(f"{name} = {value}\n" for name, value in {**sources, "index-url": evil.url}.items())
    config_file(tmp_path / "pip.conf", monkeypatch, f"[global]\n{lines}[download]\n{lines}[install]\n{lines}")
    tools = f"[tool.pip-tools]\nextra-index-url = ['{evil.url}']\nfind-links = ['{tmp_path / 'wheels'}']\n"
    (wanted.path / "pyproject.toml").write_text(tools)
    (wanted.path / ".pip-tools.toml").write_text(tools)
    assert wanted.lock() == 0
    assert wanted.locked(LOCK) == clean
    assert "alpha==1.0 " in clean
    assert evil.requests == []


@pytest.mark.parametrize("where", ["environment", "global", "download"])
def test_pips_index_url_is_the_upstream(
    wanted: Checkout, upstream: Upstream, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, where: str
) -> None:
    if where == "environment":
        monkeypatch.setenv("PIP_INDEX_URL", upstream.url)
    else:
        config_file(tmp_path / "pip.conf", monkeypatch, f"[{where}]\nindex-url = {upstream.url}\n")
    assert lock.main([]) == 0
    assert "alpha==1.0 " in wanted.locked(LOCK)


def test_a_password_in_the_index_url_is_used_and_never_told(
    wanted: Checkout, upstream: Upstream, capfd: pytest.CaptureFixture[str]
) -> None:
    upstream.credentials = ("user", "secret")
    url = upstream.url.replace("://", "://user:secret@")
    assert lock.main([f"--upstream={url}"]) == 0
    assert "secret" not in wanted.locked(LOCK)
    wanted.write("gamma\n")
    upstream.fault("/simple/gamma/", "404")
    assert lock.main([f"--upstream={url.replace('secret', 'secret2')}"]) == 1
    told = capfd.readouterr().err
    assert "HTTP 401; is UPSTREAM right, and up?" in told
    assert "secret" not in told


class _Proxy(BaseHTTPRequestHandler):
    """Forwards to the upstream what was asked of a port where nobody listens."""

    upstream: Upstream
    asked: list[str]

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base class's name)
        pass

    def do_GET(self) -> None:
        self.asked.append(self.path)
        connection = http.client.HTTPConnection(urlsplit(self.upstream.url).netloc, timeout=10)
        connection.request("GET", urlsplit(self.path).path, headers={"Accept": self.headers["Accept"]})
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.headers["Content-Type"])
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def proxy_to(upstream: Upstream) -> type[_Proxy]:
    class Handler(_Proxy):
        pass

    Handler.upstream, Handler.asked = upstream, []
    return Handler


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler], context: ssl.SSLContext | None = None) -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_pips_proxy_is_used(wanted: Checkout, upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    handler = proxy_to(upstream)
    with serving(handler) as port:
        monkeypatch.setenv("PIP_PROXY", f"http://127.0.0.1:{port}")
        assert lock.main(["--upstream=http://127.0.0.1:9/simple/"]) == 0
        assert "http://127.0.0.1:9/simple/alpha/" in handler.asked
        handler.asked.clear()
        assert wanted.index("--upstream=http://127.0.0.1:9/simple/") == 0
    assert sorted(url.rpartition("/")[2] or url for url in handler.asked) == [
        "alpha-1.0-py3-none-any.whl",
        "beta-1.0-py3-none-any.whl",
        "http://127.0.0.1:9/simple/alpha/",
        "http://127.0.0.1:9/simple/beta/",
    ]


@pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl to make a certificate with")
def test_pips_certificate_is_trusted_and_no_other(
    wanted: Checkout,
    upstream: Upstream,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    command = (
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"),
        *("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "cert")),
    )
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert", tmp_path / "key")
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    handler = proxy_to(upstream)
    with serving(handler, context) as port:
        url = f"--upstream=https://127.0.0.1:{port}/simple/"
        monkeypatch.setenv("PIP_TRUSTED_HOST", f"127.0.0.1:{port}")
        assert lock.main([url]) == 1
        assert handler.asked == []
        monkeypatch.setenv("PIP_CERT", str(tmp_path / "cert"))
        assert lock.main([url]) == 0
        assert wanted.index(url) == 0
    told = capfd.readouterr().err.splitlines()
    assert told[1].startswith(
        f"    https://127.0.0.1:{port}/simple/alpha/: There was a problem confirming the ssl certificate"
    )
    assert told[1].endswith("; is UPSTREAM right, and up?")


def test_a_server_of_ours_may_be_plain_http_and_is_asked_with_pips_certificates(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PIP_CERT", "/some/ca.pem")
    monkeypatch.setenv("PIP_INDEX_URL", "http://nowhere.example/simple/")  # pip would refuse it
    found = environment_of_server("http://pypi.example.com/prefix/")
    assert (found["PIP_INDEX_URL"], found["PIP_CERT"]) == ("http://pypi.example.com/prefix", "/some/ca.pem")
