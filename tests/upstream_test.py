"""The tests' own upstream: a right index for real clients, and wrong in exactly the way that is asked for."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPResponse, IncompleteRead, RemoteDisconnected
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from distributions import Distribution, sdist, wheel
from packaging.metadata import Metadata
from packaging.utils import parse_sdist_filename, parse_wheel_filename
from pypi_simple import ACCEPT_HTML_ONLY, ACCEPT_JSON_ONLY, DistributionPackage, PyPISimple
from upstream import JSON, NONSENSE, Kind, Upstream

ALPHA = wheel("alpha", "1.0", requires=["beta>=1"], requires_python=">=3.8", files={"alpha.py": b"#" * 1000})
PAGE = "/simple/alpha/"
FILE = f"/files/{ALPHA.sha256[:2]}/{ALPHA.filename}"


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as running:
        running.add(ALPHA)
        yield running


@contextmanager
def get(upstream: Upstream, path: str, timeout: float = 10, **headers: str) -> Iterator[HTTPResponse]:
    with closing(HTTPConnection(urlsplit(upstream.url).netloc, timeout=timeout)) as connection:
        connection.request("GET", path, headers=headers)
        with connection.getresponse() as response:
            yield response


def pip_download(upstream: Upstream, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    # With find-links from this machine's environment, a download would succeed without the index.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    command = (
        sys.executable,
        "-m",
        "pip",
        "download",
        "--isolated",
        "--no-cache-dir",
        "--no-deps",
        "--disable-pip-version-check",
    )
    return subprocess.run(
        (*command, f"--index-url={upstream.url}", f"--dest={folder}", *options),
        env={**environment, "PIP_CONFIG_FILE": os.devnull},
        capture_output=True,
        text=True,
        timeout=120,
    )


def pin(tmp_path: Path, distribution: Distribution, requirement: str) -> str:
    lock = tmp_path / "lock.txt"
    lock.write_text(f"{requirement} --hash=sha256:{distribution.sha256}\n")
    return f"--requirement={lock}"


def test_a_wheel_is_valid_and_the_same_each_time() -> None:
    made = [
        wheel(
            "My.Pkg",
            "1!2.0+Local",
            tag="py2.py3-none-any",
            build="7",
            extras={"x": ["b>1; python_version>'3'"]},
        )
        for _ in range(2)
    ]
    assert made[0] == made[1]
    assert made[0].filename == "my_pkg-1!2.0+local-7-py2.py3-none-any.whl"
    assert str(parse_wheel_filename(made[0].filename)[1]) == "1!2.0+local"
    with zipfile.ZipFile(io.BytesIO(made[0].data)) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    info = "my_pkg-1!2.0+local.dist-info"
    assert content[f"{info}/METADATA"] == made[0].metadata
    assert b"\nBuild: 7\n" in content[f"{info}/WHEEL"]
    assert b"\nTag: py2-none-any\nTag: py3-none-any\n" in content[f"{info}/WHEEL"]
    for name, digest, size in csv.reader(content.pop(f"{info}/RECORD").decode().splitlines()):
        data = content.pop(name, b"")
        encoded = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        assert (digest, size) == (("", "") if name.endswith("/RECORD") else (f"sha256={encoded}", str(len(data))))
    assert content == {}
    metadata = Metadata.from_email(made[0].metadata)
    assert [str(need) for need in metadata.requires_dist or ()] == ['b>1; python_version > "3" and extra == "x"']


@pytest.mark.parametrize("as_json", [True, False])
def test_pip_downloads_a_hashed_wheel_of_another_platform(upstream: Upstream, tmp_path: Path, as_json: bool) -> None:
    upstream.json = as_json
    tag = "cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64"
    file = upstream.add(wheel("my-pkg", "1!2.0", tag=tag))
    target = ("--platform=manylinux2014_x86_64", "--python-version=3.12", "--only-binary=:all:")
    done = pip_download(upstream, tmp_path, pin(tmp_path, file, "my_pkg==1!2.0"), *target)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / file.filename).read_bytes() == file.data
    assert upstream.file_requests() == [file.filename]
    assert upstream.page_requests() == ["/simple/my-pkg/"]


def test_pip_refuses_a_replaced_file(upstream: Upstream, tmp_path: Path) -> None:
    upstream.replace(wheel("alpha", "1.0", files={"alpha.py": b"evil"}))
    done = pip_download(upstream, tmp_path, pin(tmp_path, ALPHA, "alpha==1.0"))
    assert done.returncode == 1
    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in done.stderr


def test_pip_runs_the_code_of_an_sdist_that_needs_nothing(upstream: Upstream, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    file = upstream.add(sdist("gamma", "1.0", requires=["alpha"], trace=trace, build_backend_in_tree=True))
    assert str(parse_sdist_filename(file.filename)[1]) == "1.0"
    done = pip_download(upstream, tmp_path, pin(tmp_path, file, "gamma==1.0"))
    assert done.returncode == 0, done.stderr
    assert trace.exists()


def test_json_and_html_tell_the_same_facts(upstream: Upstream) -> None:
    lie = "0" * 64
    upstream.add(wheel("alpha", "1.1"), yanked='it said "<no>"', sidecar=False, upload_time=None, size=False)
    upstream.add(wheel("alpha", "1.2"), yanked=True, requires_python="<3", hashes=lie, size=5)
    upstream.add(sdist("alpha", "1.2"), hashes=False)

    def facts(package: DistributionPackage) -> tuple[object, ...]:
        about = (package.filename, package.url, package.version, package.digests, package.requires_python)
        return (*about, package.is_yanked, package.has_metadata or False, package.metadata_digests or {})

    with PyPISimple(upstream.url) as client:
        as_json = client.get_project_page("alpha", accept=ACCEPT_JSON_ONLY)
        upstream.absolute_urls = True
        as_html = client.get_project_page("alpha", accept=ACCEPT_HTML_ONLY)
        assert client.get_index_page().projects == ["alpha"]
        assert client.get_package_metadata_bytes(as_json.packages[0]) == ALPHA.metadata
    assert [facts(package) for package in as_json.packages] == [facts(package) for package in as_html.packages]
    assert as_json.versions == ["1.0", "1.1", "1.2"]
    assert [package.requires_python for package in as_json.packages] == [">=3.8", None, "<3", None]
    assert [package.size for package in as_json.packages[:3]] == [len(ALPHA.data), None, 5]
    assert [package.digests.get("sha256") for package in as_json.packages[2:]] == [lie, None]
    assert [package.yanked_reason or "" for package in as_json.packages[1:3]] == ['it said "<no>"', ""]
    assert [package.upload_time is None for package in as_json.packages] == [False, True, False, False]


def test_a_hostile_file_name_is_served_on_its_projects_page(upstream: Upstream) -> None:
    file = upstream.add(wheel("alpha", "2.0", filename='../../"evil".whl'), project="alpha")
    with PyPISimple(upstream.url) as client:
        assert client.get_project_page("alpha").packages[-1].filename == file.filename
    with get(upstream, f"/files/{file.sha256[:2]}/..%2F..%2F%22evil%22.whl") as response:
        assert response.read() == file.data
    assert upstream.file_requests() == [file.filename]


@pytest.mark.parametrize("path", ["/", "/simple/none/", "/simple/alpha", "/files/00/none.whl", f"{FILE}.asc"])
def test_nothing_is_at_another_path(upstream: Upstream, path: str) -> None:
    with get(upstream, path) as response:
        assert response.status == 404


def test_a_removed_file_is_gone(upstream: Upstream) -> None:
    upstream.remove(ALPHA.filename)
    for path in (PAGE, FILE, f"{FILE}.metadata"):
        with get(upstream, path) as response:
            assert response.status == 404


def test_credentials_are_asked_for(upstream: Upstream) -> None:
    upstream.credentials = ("user", "pass")
    with get(upstream, PAGE) as response:
        assert (response.status, response.headers["WWW-Authenticate"]) == (401, 'Basic realm="upstream"')
    with get(upstream, PAGE, Authorization="Basic dXNlcjpwYXNz") as response:
        assert response.status == 200
    assert upstream.requests[-1].headers["authorization"] == "Basic dXNlcjpwYXNz"


@pytest.mark.parametrize(("path", "where"), [(FILE, ALPHA.filename), (PAGE, PAGE)])
@pytest.mark.parametrize("kind", ["404", "500", "nonsense", "redirect"])
def test_a_fault_that_answers(upstream: Upstream, path: str, where: str, kind: Kind) -> None:
    upstream.fault(where, kind)
    with get(upstream, path, Accept=JSON) as response:
        answer = (
            response.status,
            response.headers["Content-Type"],
            response.headers["Location"],
            response.read(),
        )
    assert (
        answer
        == {
            "404": (404, None, None, b""),
            "500": (500, None, None, b""),
            "nonsense": (200, JSON if path == PAGE else "text/html", None, NONSENSE),
            "redirect": (302, None, f"/moved{path}", b""),
        }[kind]
    )
    upstream.fault(where, None)
    with get(upstream, f"/moved{path}") as moved, get(upstream, path) as mended:
        assert (moved.status, moved.read()) == (200, mended.read())


@pytest.mark.parametrize(
    ("kind", "received", "missing"),
    [("truncate", len(ALPHA.data) // 2, len(ALPHA.data) - len(ALPHA.data) // 2), ("lie", len(ALPHA.data), 7)],
)
def test_a_fault_that_breaks_off(upstream: Upstream, kind: Kind, received: int, missing: int) -> None:
    upstream.fault(ALPHA.filename, kind, says=len(ALPHA.data) + 7)
    with get(upstream, FILE) as response, pytest.raises(IncompleteRead) as broken:
        response.read()
    assert (broken.value.partial, broken.value.expected) == (ALPHA.data[:received], missing)


def test_endless_goes_on_after_the_file_and_says_no_length(upstream: Upstream) -> None:
    upstream.fault(ALPHA.filename, "endless")
    with get(upstream, FILE) as response:
        assert response.headers["Content-Length"] is None
        assert response.read(len(ALPHA.data) + (1 << 20)) == ALPHA.data + bytes(1 << 20)


def test_slow_comes_byte_by_byte_until_the_index_stops(upstream: Upstream) -> None:
    upstream.fault(ALPHA.filename, "slow")
    with get(upstream, FILE) as response:
        assert response.read1() == ALPHA.data[:1]
        upstream.stop()
        with pytest.raises(IncompleteRead):
            response.read()


def test_hang_answers_nothing(upstream: Upstream) -> None:
    upstream.fault(PAGE, "hang")
    with pytest.raises(TimeoutError), get(upstream, PAGE, timeout=0.2):
        pass
    assert upstream.page_requests() == [PAGE]


def test_stop_ends_every_request_and_start_takes_the_same_port(upstream: Upstream) -> None:
    before = threading.active_count()
    upstream.fault(PAGE, "hang")
    upstream.fault(ALPHA.filename, "endless")
    with closing(HTTPConnection(urlsplit(upstream.url).netloc, timeout=10)) as hanging:
        with closing(HTTPConnection(urlsplit(upstream.url).netloc, timeout=10)) as idle, get(upstream, FILE):
            hanging.request("GET", PAGE)
            idle.connect()
            upstream.stop()
            assert threading.active_count() == before - 1
        with pytest.raises((RemoteDisconnected, ConnectionResetError)):
            hanging.getresponse()
    with pytest.raises(ConnectionRefusedError), get(upstream, PAGE):
        pass
    upstream.fault(PAGE, None)
    url = upstream.url
    upstream.start()
    with get(upstream, PAGE, Accept=JSON) as response:
        assert json.load(response)["name"] == "alpha"
    assert upstream.url == url
