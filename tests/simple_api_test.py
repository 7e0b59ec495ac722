"""scripts/simple_json.py, simple_html.py, facts.py: the two forms of the Simple API say the same, and it is true."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import mousebender.simple
import pytest
from approved import approve, missing
from conftest import Checkout
from distributions import sdist, wheel
from index_test import refusal
from lxml import html
from manifests import remake
from pypi_simple import IndexPage, ProjectPage
from upstream import Kind, Upstream

from scripts.distribution import read
from scripts.memory import Memory
from scripts.root import opened

PROVENANCE = b'{"version": 1, "attestation_bundles": [{"publisher": {"kind": "GitHub"}, "attestations": [{}]}]}'
SDISTS = 'python_versions: ["3.12"]\nplatforms: [manylinux_2_28_x86_64]\nclosure: off\nallow_sdists: [alpha, gamma]\n'
ALPHA = wheel("alpha", "1.0", requires_python=">=3.8,<4", requires=["beta"])
BETA = wheel("beta", "2.0")
BASE = "https://index.example/prefix/simple/"


def page(checkout: Checkout, project: str = "alpha") -> dict[str, Any]:
    """Return a JSON page of the live release."""
    found: dict[str, Any] = json.loads((checkout.root / "web" / "simple" / project / "index.json").read_text())
    return found


def html_page(checkout: Checkout, project: str = "alpha") -> html.HtmlElement:
    return html.document_fromstring((checkout.root / "web" / "simple" / project / "index.html").read_bytes())


def metas(document: html.HtmlElement) -> dict[str, str]:
    return {meta.get("name"): meta.get("content") for meta in document.iter("meta") if meta.get("name")}


def anchors(checkout: Checkout, project: str = "alpha") -> dict[str, dict[str, str]]:
    """Return file name -> attributes of a project's HTML page."""
    return {anchor.text_content(): dict(anchor.attrib) for anchor in html_page(checkout, project).iter("a")}


def released(checkout: Checkout) -> str:
    """Return the live release's time as pages write it."""
    told = json.loads((checkout.root / "web" / "changes.json").read_text())
    return str(told[0]["time"])


@pytest.fixture
def rich(checkout: Checkout, upstream: Upstream) -> Checkout:
    """An index with each kind of file and of fact: wheels, an sdist, yanks with and without a reason, provenance."""
    native = wheel("alpha", "1.10", tag="cp312-cp312-manylinux_2_17_x86_64")
    files = [
        upstream.add(ALPHA, provenance=PROVENANCE),
        upstream.add(native, yanked='it eats <b>files</b> & "more"'),
        upstream.add(wheel("alpha", "1.9"), yanked=True, upload_time=None),
        upstream.add(sdist("gamma", "3.0", requires_python=">=3.9")),
        upstream.add(wheel("beta-x", "2.0+cu12.1")),
    ]
    upstream.statuses = {"gamma": {"status": "archived", "reason": "done < finished"}, "alpha": {"status": "active"}}
    checkout.write(packages_yaml=SDISTS + 'denied: {evil-thing: "it <steals> keys"}\n')
    approve(*files)
    checkout.index()
    return checkout


def test_a_json_page_says_all_that_the_specification_names(checkout: Checkout, upstream: Upstream) -> None:
    upstream.add(ALPHA, provenance=PROVENANCE)
    upstream.add(wheel("alpha", "0.9"), yanked="old")
    upstream.statuses["alpha"] = {"status": "deprecated", "reason": "use beta"}
    checkout.write(
        packages_yaml='python_versions: ["3.11", "3.12"]\nplatforms: [manylinux_2_28_x86_64]\nclosure: off\n'
    )
    approve(ALPHA, wheel("alpha", "0.9"))
    checkout.index()
    old = wheel("alpha", "0.9")
    common = {
        "upload-time": "2024-01-02T03:04:05.678901Z",
        "_approved": released(checkout),
        "_serves": {"requirements": ["3.11-manylinux_2_28_x86_64", "3.12-manylinux_2_28_x86_64"]},
    }
    assert page(checkout) == {
        "meta": {"api-version": "1.4"},
        "name": "alpha",
        "project-status": {"status": "deprecated", "reason": "use beta"},
        "versions": ["0.9", "1.0"],
        "files": [
            {
                "filename": old.filename,
                "url": f"../../packages/{old.filename}",
                "hashes": {"sha256": old.sha256},
                "size": len(old.data),
                "core-metadata": {"sha256": hashlib.sha256(old.metadata).hexdigest()},
                "yanked": "old",
                **common,
            },
            {
                "filename": ALPHA.filename,
                "url": f"../../packages/{ALPHA.filename}",
                "hashes": {"sha256": ALPHA.sha256},
                "size": len(ALPHA.data),
                "requires-python": ">=3.8,<4",
                "core-metadata": {"sha256": hashlib.sha256(ALPHA.metadata).hexdigest()},
                "yanked": False,
                "provenance": f"../../provenance/{ALPHA.filename}.json",
                "_provenance-sha256": hashlib.sha256(PROVENANCE).hexdigest(),
                **common,
            },
        ],
    }


def test_the_root_lists_every_project_in_both_forms(rich: Checkout) -> None:
    root = rich.root / "web" / "simple"
    names = ["alpha", "beta-x", "evil-thing", "gamma"]
    assert json.loads((root / "index.json").read_text()) == {
        "meta": {"api-version": "1.4"},
        "projects": [{"name": name} for name in names],
    }
    document = html.document_fromstring((root / "index.html").read_bytes())
    assert metas(document) == {"pypi:repository-version": "1.4"}
    links = {anchor.text_content(): anchor.get("href") for anchor in document.iter("a")}
    assert links == {name: f"{name}/" for name in names}
    assert sorted(IndexPage.from_html((root / "index.html").read_text()).projects) == names
    seen = mouse(root, "index.html", mousebender.simple.parse_project_index)
    assert sorted(one["name"] for one in seen["projects"]) == names


def mouse(folder: Path, name: str, parse: Callable[..., Any], *arguments: str) -> Any:
    """Let mousebender read a page; it warns of every version above 1.1, and reads it."""
    kind = "application/vnd.pypi.simple.v1+json" if name.endswith(".json") else "text/html"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mousebender.simple.APIVersionWarning)
        return parse((folder / name).read_text(), kind, *arguments)


def seen_by_pypi_simple(parsed: ProjectPage, base: str) -> dict[str, object]:
    """Return all that both forms of a page can say."""
    files: dict[str, object] = {
        file.filename: (
            *(file.url, file.digests, file.requires_python, file.is_yanked, file.yanked_reason or None),
            *(file.has_metadata or None, file.metadata_digests, file.version, file.package_type),
            file.provenance_url and urljoin(base, file.provenance_url),
        )
        for file in parsed.packages
    }
    return files | {"": (parsed.project, parsed.repository_version, parsed.status, parsed.status_reason)}


PROJECTS = ["alpha", "beta-x", "evil-thing", "gamma"]


@pytest.mark.parametrize("project", PROJECTS)
def test_both_forms_say_the_same_to_pypi_simple(rich: Checkout, project: str) -> None:
    base = f"{BASE}{project}/"
    data = page(rich, project)
    for file in data["files"]:
        if "provenance" in file:  # pypi-simple refuses a relative one, though PEP 691 has relative URLs
            file["provenance"] = urljoin(base, file["provenance"])
    text = (rich.root / "web" / "simple" / project / "index.html").read_text()
    from_json = seen_by_pypi_simple(ProjectPage.from_json_data(data, base), base)
    assert from_json == seen_by_pypi_simple(ProjectPage.from_html(project, text, base), base)
    assert len(from_json) == 1 + {"alpha": 3, "beta-x": 1, "evil-thing": 0, "gamma": 1}[project]


@pytest.mark.parametrize("project", PROJECTS)
def test_both_forms_say_the_same_to_mousebender(rich: Checkout, project: str) -> None:
    folder = rich.root / "web" / "simple" / project
    parse = mousebender.simple.parse_project_details
    in_json, in_html = (
        {file["filename"]: file for file in mouse(folder, name, parse, project)["files"]}
        for name in ("index.json", "index.html")
    )
    assert in_json.keys() == in_html.keys()
    for name, file in in_json.items():
        of_html = {"requires-python": None, "yanked": False, "core-metadata": False} | in_html[name]
        for key in ("url", "hashes", "requires-python", "yanked", "core-metadata"):
            assert file.get(key) == of_html[key]


def test_an_html_page_has_its_version_and_the_sidecar_under_both_names(rich: Checkout) -> None:
    assert metas(html_page(rich)) == {"pypi:repository-version": "1.4", "pypi:project-status": "active"}
    sidecar = f"sha256={hashlib.sha256(ALPHA.metadata).hexdigest()}"
    assert anchors(rich)[ALPHA.filename] == {
        "href": f"../../packages/{ALPHA.filename}#sha256={ALPHA.sha256}",
        "data-requires-python": ">=3.8,<4",
        "data-core-metadata": sidecar,
        "data-dist-info-metadata": sidecar,
        "data-provenance": f"../../provenance/{ALPHA.filename}.json",
    }
    source = (rich.root / "web" / "simple" / "alpha" / "index.html").read_text()
    assert 'data-requires-python="&gt;=3.8,&lt;4"' in source


def test_yanks_have_their_reason_or_none_in_both_forms(rich: Checkout) -> None:
    reason = 'it eats <b>files</b> & "more"'
    told = {file["filename"]: file["yanked"] for file in page(rich)["files"]}
    assert list(told.values()) == [False, True, reason]
    marked = {name: attributes.get("data-yanked") for name, attributes in anchors(rich).items()}
    assert [marked[name] for name in told] == [None, "", reason]


def test_an_html_page_needs_no_script_and_no_style(rich: Checkout) -> None:
    for path in (rich.root / "web" / "simple").rglob("*.html"):
        document = html.document_fromstring(path.read_bytes())
        assert list(document.iter("script", "style")) == []
        assert document.xpath("//@style | //@*[starts-with(name(), 'on')]") == []


def test_what_a_page_promises_is_there(rich: Checkout) -> None:
    web = rich.root / "web"
    for project in PROJECTS:
        here = web / "simple" / project
        for file in page(rich, project)["files"]:
            data = (here / file["url"]).read_bytes()
            assert (len(data), hashlib.sha256(data).hexdigest()) == (file["size"], file["hashes"]["sha256"])
            if sidecar := file["core-metadata"]:
                told = (here / f"{file['url']}.metadata").read_bytes()
                assert hashlib.sha256(told).hexdigest() == sidecar["sha256"]
            if "provenance" in file:
                told = (here / file["provenance"]).read_bytes()
                assert hashlib.sha256(told).hexdigest() == file["_provenance-sha256"]


# Denied


def test_a_denied_name_has_a_page_without_files_that_says_why(rich: Checkout) -> None:
    assert page(rich, "evil-thing") == {
        "meta": {"api-version": "1.4"},
        "name": "evil-thing",
        "project-status": {"status": "quarantined", "reason": "it <steals> keys"},
        "versions": [],
        "files": [],
    }
    document = html_page(rich, "evil-thing")
    assert list(document.iter("a")) == []
    assert metas(document) == {
        "pypi:repository-version": "1.4",
        "pypi:project-status": "quarantined",
        "pypi:project-status-reason": "it <steals> keys",
    }


def test_what_a_lock_holds_cannot_be_denied(checkout: Checkout, upstream: Upstream) -> None:
    upstream.add(ALPHA)
    approve(ALPHA)
    checkout.index()
    live = (checkout.root / "web").readlink()
    settings = checkout.path / "packages.yaml"
    settings.write_text(settings.read_text() + "denied: {alpha: unsafe}\n")
    (checkout.path / "requirements.in").write_text("beta==1.0\nalpha==1.0\n")
    assert refusal(checkout) == ("requirements.in:2: alpha is denied in packages.yaml (unsafe); remove one of the two")
    assert (checkout.root / "web").readlink() == live


def test_a_denied_need_stops_the_lock_and_the_index(
    checkout: Checkout, upstream: Upstream, capsys: pytest.CaptureFixture[str]
) -> None:
    upstream.add(ALPHA)
    upstream.add(BETA)
    yaml = 'resolve_deps: true\npython_versions: ["3.12"]\nplatforms: [manylinux_2_28_x86_64]\n'
    checkout.write("alpha\n", packages_yaml=yaml)
    assert checkout.lock() == 0
    (checkout.path / "packages.yaml").write_text(yaml + "denied: {beta: unsafe}\n")
    path, why = "locks/requirements/3.12-manylinux_2_28_x86_64.txt", "beta 2.0 is denied in packages.yaml (unsafe)"
    assert refusal(checkout) == f"{path}: {why}; remove what needs it, or its denial"
    capsys.readouterr()
    assert checkout.lock("--upgrade") == 1
    assert f"{path}: cannot be solved:\n    {why}; remove what needs it, or its denial\n" in capsys.readouterr().err


# What the upstream tells


def facts_of(checkout: Checkout, filename: str = ALPHA.filename) -> dict[str, Any]:
    return next(file for file in page(checkout)["files"] if file["filename"] == filename)


def test_what_was_told_is_remembered_without_a_request(checkout: Checkout, upstream: Upstream) -> None:
    upstream.add(ALPHA, provenance=PROVENANCE, yanked="bad")
    upstream.statuses["alpha"] = {"status": "archived"}
    approve(ALPHA)
    checkout.index()
    first = page(checkout)
    upstream.add(BETA)
    approve(BETA)
    checkout.index()  # alpha is gone
    upstream.requests.clear()
    approve(ALPHA, BETA)
    checkout.index()
    assert upstream.requests == []
    assert page(checkout) == first
    assert (checkout.root / "web" / "provenance" / f"{ALPHA.filename}.json").read_bytes() == PROVENANCE


def test_a_project_s_page_that_is_read_again_brings_news_of_its_files(checkout: Checkout, upstream: Upstream) -> None:
    upstream.add(ALPHA)
    approve(ALPHA)
    checkout.index()
    approved = facts_of(checkout)["_approved"]
    upstream.add(ALPHA, yanked="broken", provenance=PROVENANCE, upload_time=None)
    upstream.statuses["alpha"] = {"status": "deprecated"}
    newer = upstream.add(wheel("alpha", "2.0"))
    approve(ALPHA, newer)
    checkout.index()
    told = facts_of(checkout)
    assert (told["yanked"], told["upload-time"]) == ("broken", "2024-01-02T03:04:05.678901Z")
    assert told["_approved"] == approved < facts_of(checkout, newer.filename)["_approved"] == released(checkout)
    assert (checkout.root / "web" / "provenance" / f"{ALPHA.filename}.json").read_bytes() == PROVENANCE
    assert page(checkout)["project-status"] == {"status": "deprecated"}


def test_a_release_that_is_ahead_of_the_clock_still_tells_when_a_file_was_approved(checkout: Checkout) -> None:
    """Several in one second are a second apart by their names, the last of them in the future."""
    checkout.upstream.add(ALPHA)
    approve(ALPHA)
    checkout.index()
    ahead = checkout.root / "releases" / "20990101T000000Z-0123456789ab"
    (checkout.root / "web").resolve().rename(ahead)
    (checkout.root / "web").unlink()
    (checkout.root / "web").symlink_to(f"releases/{ahead.name}")
    path = ahead / "simple" / "alpha" / "index.json"
    told = json.loads(path.read_text())
    told["files"][0]["_approved"] = "2099-01-01T00:00:00Z"
    path.write_text(json.dumps(told))
    remake(ahead)
    one = read(checkout.root / "web" / "packages" / ALPHA.filename, ALPHA.sha256)
    with opened(checkout.root) as root:
        assert Memory(root).recall(one, "2026-01-01T00:00:00Z").approved == "2099-01-01T00:00:00Z"


def test_a_yank_that_was_taken_back_is_news_too(checkout: Checkout, upstream: Upstream) -> None:
    upstream.add(ALPHA, yanked="broken")
    approve(ALPHA)
    checkout.index()
    upstream.add(ALPHA)
    approve(ALPHA, upstream.add(wheel("alpha", "2.0")))
    checkout.index()
    assert facts_of(checkout)["yanked"] is False


@pytest.mark.parametrize("as_json", [True, False])
def test_html_upstreams_tell_yanks_provenance_and_status(checkout: Checkout, upstream: Upstream, as_json: bool) -> None:
    upstream.json = as_json
    upstream.add(ALPHA, yanked=True, provenance=PROVENANCE)
    upstream.statuses["alpha"] = {"status": "archived", "reason": "enough"}
    approve(ALPHA)
    checkout.index()
    assert facts_of(checkout)["yanked"] is True
    assert facts_of(checkout)["_provenance-sha256"] == hashlib.sha256(PROVENANCE).hexdigest()
    assert page(checkout)["project-status"] == {"status": "archived", "reason": "enough"}
    assert ("upload-time" in facts_of(checkout)) == as_json


@pytest.mark.parametrize(
    ("fault", "data", "why"),
    [
        ("404", PROVENANCE, "HTTP 404"),
        ("truncate", PROVENANCE, "the answer breaks off"),
        ("endless", PROVENANCE, "the file is larger than 1048576 bytes"),
        (None, b"<html>", "not a provenance object"),
        (None, b"[" * 100_000, "not a provenance object"),
        (None, b'{"version": 2, "attestation_bundles": [{}]}', "not a provenance object"),
        (None, b'{"version": 1, "attestation_bundles": []}', "not a provenance object"),
    ],
)
def test_a_provenance_that_cannot_be_had_is_said_and_not_promised(
    checkout: Checkout,
    upstream: Upstream,
    capsys: pytest.CaptureFixture[str],
    fault: Kind | None,
    data: bytes,
    why: str,
) -> None:
    upstream.add(ALPHA, provenance=data)
    upstream.fault(f"{ALPHA.filename}.provenance", fault)
    approve(ALPHA)
    checkout.index()
    assert f"{ALPHA.filename}: published without its provenance, {why}\n" in capsys.readouterr().err
    assert not {"provenance", "_provenance-sha256"} & facts_of(checkout).keys()
    assert not (checkout.root / "web" / "provenance").exists()


def test_a_quarantined_project_is_not_fetched(checkout: Checkout, upstream: Upstream) -> None:
    upstream.add(ALPHA)
    upstream.statuses["alpha"] = {"status": "quarantined", "reason": "malware"}
    approve(ALPHA)
    lock = "locks/requirements/3.12-manylinux_2_28_x86_64.txt"
    assert refusal(checkout) == missing(f"alpha 1.0 ({lock}): the upstream has quarantined the project: malware", of=1)


def test_what_no_version_of_the_specification_names_counts_as_active(checkout: Checkout, upstream: Upstream) -> None:
    upstream.add(ALPHA)
    upstream.statuses["alpha"] = {"status": "on fire"}
    approve(ALPHA)
    checkout.index()
    assert page(checkout)["project-status"] == {"status": "active"}


def test_texts_of_the_upstream_become_one_printable_line(checkout: Checkout, upstream: Upstream) -> None:
    upstream.add(ALPHA, yanked="a\x00b\x1b[31m\n\u202ec  d" + "x" * 2000)
    approve(ALPHA)
    checkout.index()
    assert facts_of(checkout)["yanked"] == ("a b [31m c d" + "x" * 2000)[:1000] + "…"
    assert anchors(checkout)[ALPHA.filename]["data-yanked"] == facts_of(checkout)["yanked"]


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"\xff{",
        b"[]",
        b'{"files": 3, "project-status": 3}',
        b'{"files": [3, {"hashes": 3}, {"hashes": {"sha256": "x"}}]}',
    ],
)
def test_a_damaged_page_of_an_earlier_release_is_no_obstacle(
    checkout: Checkout, upstream: Upstream, damage: bytes
) -> None:
    upstream.add(ALPHA, yanked="bad", provenance=PROVENANCE)
    approve(ALPHA)
    checkout.index()
    before = facts_of(checkout)
    (checkout.root / "web" / "simple" / "alpha" / "index.json").write_bytes(damage)
    checkout.index()
    assert facts_of(checkout) == {**before, "_approved": released(checkout)}  # the upstream is asked again


@pytest.mark.parametrize("told", ["2024-13-01T00:00:00Z", "2999-01-01T00:00:00Z", "yesterday", 3, None])
def test_a_time_that_is_none_of_the_past_is_not_passed_on(checkout: Checkout, upstream: Upstream, told: object) -> None:
    upstream.add(ALPHA)
    approve(ALPHA)
    checkout.index()
    path = checkout.root / "web" / "simple" / "alpha" / "index.json"
    changed = json.loads(path.read_text())
    changed["files"][0]["upload-time"] = told
    path.write_text(json.dumps(changed))
    remake((checkout.root / "web").resolve())
    checkout.index()
    assert "upload-time" not in facts_of(checkout)


@pytest.mark.parametrize("told", ["9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59"])
def test_an_upload_time_that_no_year_of_ours_has_is_none(checkout: Checkout, upstream: Upstream, told: str) -> None:
    upstream.add(ALPHA, upload_time=told)
    approve(ALPHA)
    checkout.index()
    assert "upload-time" not in facts_of(checkout)


def test_a_provenance_that_was_changed_in_the_shared_folder_is_not_published_again(
    checkout: Checkout, upstream: Upstream, capsys: pytest.CaptureFixture[str]
) -> None:
    upstream.add(ALPHA, provenance=PROVENANCE)
    approve(ALPHA)
    checkout.index()
    path = (checkout.root / "web" / "provenance" / f"{ALPHA.filename}.json").resolve()
    path.write_bytes(b"{}")
    checkout.index()
    assert (checkout.root / "web" / "provenance" / path.name).read_bytes() == PROVENANCE  # it is asked for again
    (checkout.root / "web" / "provenance" / path.name).unlink()
    upstream.stop()
    capsys.readouterr()
    checkout.index()
    assert "alpha: published without what the upstream says: http" in capsys.readouterr().err
    assert "provenance" not in facts_of(checkout)
