"""scripts/conformance*.py: each rule of what is published has a release here that breaks it."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from approved import approve
from bills import serial_number
from conftest import Checkout
from distributions import Distribution, wheel
from index_test import tree
from published import ALPHA, BETA, GAMMA, PROVENANCE, YANKED, Published, edit, rewrite
from upstream import Upstream

from scripts import verify
from scripts.build import build, seal, validator
from scripts.facts import time_text
from scripts.fetch import Source, fetch
from scripts.gather import read_approved
from scripts.list_files import list_files
from scripts.offer import Offer
from scripts.origin import origin_of
from scripts.places import Places
from scripts.publish import Made, Signing
from scripts.publish import publish as publish_site
from scripts.release import next_moment
from scripts.root import opened

OTHER = wheel("other", "1.0")
ZEROS = "0" * 64
RELEASE_URL = "20200101T000000Z-000000000000"


def told(published: Published, capsys: pytest.CaptureFixture[str], remedy: str = "run make index") -> list[str]:
    """Return what `make verify` says, without the shared folder's own path and the usual remedy."""
    status = verify.main([f"--root={published.root}"])
    lines = capsys.readouterr().err.splitlines()
    assert status == 1, lines
    assert all(line.startswith(f"{published.root}/") for line in lines), lines
    release = f"releases/{published.live.name}/"
    return [line.removeprefix(f"{published.root}/").removeprefix(release).removesuffix(f"; {remedy}") for line in lines]


def metadata_digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_what_was_published_breaks_no_rule(published: Published, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify.main([f"--root={published.root}"]) == 0
    assert capsys.readouterr().err == f"{published.root}: verified {published.live.name}: 3 projects, 4 files\n"


def anchor(one: Distribution) -> str:
    """Return a file's anchor on an HTML page, of one that is yanked."""
    sidecar = " ".join(
        f'data-{name}-metadata="sha256={metadata_digest(one.metadata)}"' for name in ("core", "dist-info")
    )
    return f'<a href="../../packages/{one.filename}#sha256={one.sha256}" {sidecar} data-yanked="">{one.filename}</a>'


class Case(NamedTuple):
    """What is done to a live release, and what is then said; `<x>` in it stands for `x` of the released tree."""

    name: str
    change: Callable[[Path], object]
    said: list[str]


def page(path: str, old: str, new: str) -> Callable[[Path], object]:
    """Replace a text of a page, and keep its validators right."""
    return lambda live: rewrite(live / path, fill(old, live), fill(new, live))


def fill(text: str, live: Path) -> str:
    """Put in what is not known when the cases are written down."""
    known = {"sha256": ALPHA.sha256, "size": str(len(ALPHA.data)), "yanked": YANKED.sha256, "gamma": GAMMA.sha256}
    for name, value in {**known, "release": live.name}.items():
        text = text.replace(f"<{name}>", value)
    return text


def json_page(path: str, change: Callable[[Any], object]) -> Callable[[Path], object]:
    return lambda live: edit(live / path, change)


def alpha(**changes: object) -> Callable[[Path], object]:
    """Set keys of the first file on a JSON page, ALPHA."""
    named = {key.replace("__", "-"): value for key, value in changes.items()}
    return json_page("simple/alpha/index.json", lambda told: told["files"][0].update(named))


def without(key: str) -> Callable[[Path], object]:
    return json_page("simple/alpha/index.json", lambda told: told["files"][0].pop(key))


def both(*changes: Callable[[Path], object]) -> Callable[[Path], object]:
    return lambda live: [change(live) for change in changes]


def whole(path: str, text: str) -> Callable[[Path], object]:
    """Put another page in a page's place."""
    return lambda live: rewrite(live / path, (live / path).read_text(), text)


def without_last_component(told: Any) -> None:
    told["components"].pop()
    told["serialNumber"] = serial_number(told)


A_JSON, A_HTML, A_PEOPLE = "simple/alpha/index.json", "simple/alpha/index.html", "project/alpha/index.html"
A_META = metadata_digest(ALPHA.metadata)
LAYOUT = [
    Case("a stray file", lambda live: (live / "x.txt").write_text(""), ["x.txt: is a file that does not belong here"]),
    Case(
        "a dotfile",
        lambda live: (live / "simple/.x").write_text(""),
        ["simple/.x: is a file that does not belong here"],
    ),
    Case("a stray folder", lambda live: (live / ".git").mkdir(), [".git: is a folder that does not belong here"]),
    Case("a fifo", lambda live: os.mkfifo(live / "pipe"), ["pipe: is a special file that does not belong here"]),
    Case(
        "a stray link",
        lambda live: (live / "project/alpha/l").symlink_to("/etc"),
        ["project/alpha/l: is a link that does not belong here"],
    ),
    Case(
        "a page that is a link",
        both(
            lambda live: (live / "a").mkdir(),
            lambda live: (live / "site.js").rename(live / "a/b"),
            lambda live: (live / "site.js").symlink_to("a/b"),
        ),
        ["a: is a folder that does not belong here", "site.js: is a link, and not a file"],
    ),
    Case(
        "a page that is a folder",
        both(lambda live: (live / "site.js").unlink(), lambda live: (live / "site.js").mkdir()),
        ["site.js: is a folder, and not a file"],
    ),
    Case("a missing page", lambda live: (live / "site.js").unlink(), ["site.js: is missing, a file"]),
    Case("a missing page for people", lambda live: (live / A_PEOPLE).unlink(), [f"{A_PEOPLE}: is missing, a file"]),
    Case("a missing ETag", lambda live: (live / "site.js.etag").unlink(), ["site.js.etag: is missing, a file"]),
    Case(
        "a missing twin",
        lambda live: (live / f"provenance/{ALPHA.filename}.json.gz").unlink(),
        [f"provenance/{ALPHA.filename}.json.gz: is missing, a file"],
    ),
    Case(
        "a twin that nobody wants",
        lambda live: (live / "site.js.gz").write_bytes(gzip.compress((live / "site.js").read_bytes())),
        ["site.js.gz: is a file that does not belong here"],
    ),
    Case(
        "a missing project",
        lambda live: shutil.rmtree(live / "simple/gamma"),
        ["simple/gamma: is missing, a folder"],
    ),
    Case(
        "a project too many",
        lambda live: shutil.copytree(live / "simple/gamma", live / "simple/delta"),
        ["simple/delta: is a folder that does not belong here"],
    ),
    Case("no link to the pool", lambda live: (live / "packages").unlink(), ["packages: is missing, a link"]),
    Case("no id", lambda live: (live / "release.txt").unlink(), ["release.txt: is missing, a file"]),
]
RELEASE = [
    Case(
        "another id",
        lambda live: (live / "release.txt").write_text(f"{RELEASE_URL}\n"),
        ["release.txt: does not name the release <release>"],
    ),
    Case(
        "another pool",
        both(lambda live: (live / "packages").unlink(), lambda live: (live / "packages").symlink_to("../../retired")),
        ["packages: leads to ../../retired, and not to ../../packages"],
    ),
    Case(
        "another story",
        json_page("changes.json", lambda told: told[0].update(release=RELEASE_URL)),
        [f"changes.json: its newest release is {RELEASE_URL}, and not <release>"],
    ),
    Case(
        "no story",
        page("changes.json", "[", "{"),
        ["changes.json: its newest release is none, and not <release>"],
    ),
    Case(
        "a front page of another release",
        lambda live: rewrite(live / "index.html", live.name, RELEASE_URL),
        ["index.html: does not tell the release <release>"],
    ),
    Case(
        "changes of another release",
        lambda live: rewrite(live / "changes/index.html", live.name, RELEASE_URL),
        ["changes/index.html: does not tell the release <release>"],
    ),
]
LOCKS = [
    Case(
        "a root that lists too much",
        both(
            json_page("simple/index.json", lambda told: told["projects"].append({"name": "delta"})),
            page("simple/index.html", "</ul>", '<a href="delta/">delta</a></ul>'),
        ),
        [
            "simple/index.html: lists delta, which no lock names",
            "simple/index.json: lists delta, which no lock names",
            "simple/index.html: links delta/, which is not there",
        ],
    ),
    Case(
        "a root that lists too little",
        both(
            json_page("simple/index.json", lambda told: told["projects"].pop(0)),
            page("simple/index.html", '<a href="alpha/">alpha</a>', ""),
        ),
        [
            "simple/index.html: does not list alpha, which the locks name",
            "simple/index.json: does not list alpha, which the locks name",
        ],
    ),
    Case(
        "another hash in both forms",
        both(page(A_JSON, "<sha256>", ZEROS), page(A_HTML, "<sha256>", ZEROS)),
        [
            "files.jsonl: alpha-1.0-py3-none-any.whl: its sha256 is <sha256>, and on its project's page " + ZEROS,
            "packages.json: alpha-1.0-py3-none-any.whl: its sha256 is <sha256>, and on its project's page " + ZEROS,
            "sbom.cdx.json: alpha-1.0-py3-none-any.whl: its sha256 is <sha256>, and on its project's page " + ZEROS,
            f"{A_JSON}: lists alpha-1.0-py3-none-any.whl, whose sha256 stands in no lock: {ZEROS}",
            f"{A_JSON}: lists no file of alpha 1.0, which the locks name, with sha256 <sha256>",
            f"{A_JSON}: alpha-1.0-py3-none-any.whl: is listed with sha256 {ZEROS}, and the file has <sha256>",
        ],
    ),
    Case(
        "other targets than those of the locks",
        alpha(_serves={"requirements": ["3.13-win_amd64"]}),
        [
            f"{A_JSON}: alpha-1.0-py3-none-any.whl: its _serves is {{'requirements': ['3.13-win_amd64']}}, and not "
            "{'requirements': ['3.12-manylinux_2_28_x86_64']}"
        ],
    ),
    Case(
        "a list of other files",
        page(
            "files.jsonl",
            f'"filename": "{ALPHA.filename}", "hash": "sha256=<sha256>"',
            f'"filename": "{ALPHA.filename}"',
        ),
        [f"files.jsonl: {ALPHA.filename}: its sha256 is None, and on its project's page <sha256>"],
    ),
    Case(
        "a list that lacks a file",
        lambda live: rewrite(live / "packages.json", (live / "packages.json").read_text().splitlines()[3] + "\n", ""),
        ["packages.json: gamma-3.0.tar.gz: its sha256 is None, and on its project's page <gamma>"],
    ),
    Case(
        "a page for people without a file",
        page(A_PEOPLE, f'href="../../packages/{ALPHA.filename}"', 'href="#main"'),
        [f"{A_PEOPLE}: does not link {ALPHA.filename}"],
    ),
    Case(
        "a page for people with another's file",
        page(A_PEOPLE, "</main>", f'<a href="../../packages/{GAMMA.filename}">x</a></main>'),
        [f"{A_PEOPLE}: links {GAMMA.filename}, which is no file of the project"],
    ),
]
LOCKS += [
    Case(
        "JSON with a file twice",
        json_page("simple/gamma/index.json", lambda told: told["files"].append(told["files"][0])),
        ["simple/gamma/index.json: lists gamma-3.0.tar.gz 2 times"],
    ),
]
NAMES = [
    Case(
        "a root with another spelling",
        json_page("simple/index.json", lambda told: told["projects"][0].update(name="Alpha")),
        ["simple/index.json: lists Alpha, which is not normalised: alpha"],
    ),
    Case(
        "a root with another spelling in HTML",
        page("simple/index.html", ">beta-x<", ">Beta.X<"),
        ["simple/index.html: lists Beta.X, which is not normalised: beta-x"],
    ),
    Case(
        "a page with another spelling",
        json_page("simple/beta-x/index.json", lambda told: told.update(name="beta_x")),
        ["simple/beta-x/index.json: its name is beta_x, and not beta-x"],
    ),
    Case(
        "a folder with another spelling",
        lambda live: (live / "simple/Beta_X").mkdir(),
        ["simple/Beta_X: is a folder that does not belong here"],
    ),
]
FORMS = [
    Case("JSON that is none", page(A_JSON, "{", ""), [f"{A_JSON}: is no page of the Simple API"]),
    Case(
        "a root that is no JSON",
        page("simple/index.json", "{", ""),
        ["simple/index.json: is no page of the Simple API"],
    ),
    Case(
        "a root that is no HTML",
        both(
            lambda live: (live / "simple/index.html").write_bytes(b""), lambda live: seal(live, ["simple/index.html"])
        ),
        ["simple/index.html: is no page of the Simple API", "simple/index.html: is no HTML page"],
    ),
    Case(
        "a root that leads elsewhere",
        page("simple/index.html", 'href="alpha/"', 'href="gamma/"'),
        ["simple/index.html: alpha leads to gamma/, and not to alpha/"],
    ),
    Case(
        "a root that lists twice",
        json_page("simple/index.json", lambda told: told["projects"].append({"name": "alpha"})),
        ["simple/index.json: lists alpha 2 times"],
    ),
    Case(
        "a root of another version",
        json_page("simple/index.json", lambda told: told.update(meta={"api-version": "1.0"})),
        ["simple/index.json: its meta is {'api-version': '1.0'}, and not the api-version 1.4"],
    ),
    Case(
        "HTML of another version",
        page(A_HTML, 'content="1.4"', 'content="1.0"'),
        [f"{A_HTML}: its pypi:repository-version is 1.0, and not 1.4"],
    ),
    Case(
        "a root in HTML of another version",
        page("simple/index.html", 'content="1.4"', 'content="1.0"'),
        ["simple/index.html: its pypi:repository-version is 1.0, and not 1.4"],
    ),
    Case(
        "HTML without a file",
        page("simple/gamma/index.html", "<a href", "<b id"),
        ["simple/gamma/index.html: does not list gamma-3.0.tar.gz, as index.json does"],
    ),
    Case(
        "HTML with a file more",
        page(
            A_HTML,
            "</ul>",
            f'<a href="../../packages/{ALPHA.filename}#sha256=<sha256>">alpha-7-py3-none-any.whl</a></ul>',
        ),
        [f"{A_HTML}: lists alpha-7-py3-none-any.whl, as index.json does not"],
    ),
    Case(
        "HTML with a file twice",
        page(A_HTML, "</ul>", f"{anchor(YANKED)}</ul>"),
        [f"{A_HTML}: lists {YANKED.filename} 2 times"],
    ),
    Case(
        "HTML with another URL",
        page(A_HTML, f"packages/{ALPHA.filename}", f"packages/{YANKED.filename}"),
        [
            f"{A_HTML}: {ALPHA.filename}: its URL is packages/{YANKED.filename}, "
            f"and in index.json packages/{ALPHA.filename}"
        ],
    ),
    Case(
        "HTML with another hash",
        page(A_HTML, "<sha256>", ZEROS),
        [f"{A_HTML}: {ALPHA.filename}: its sha256 is {ZEROS}, and in index.json <sha256>"],
    ),
    Case(
        "HTML with another Python",
        page(A_HTML, "&gt;=3.8,&lt;4", "&gt;=3.9"),
        [f"{A_HTML}: {ALPHA.filename}: its requires-python is >=3.9, and in index.json >=3.8,<4"],
    ),
    Case(
        "HTML with another sidecar",
        page(A_HTML, A_META, ZEROS),
        [f"{A_HTML}: {ALPHA.filename}: its core-metadata is {ZEROS}, and in index.json {A_META}"],
    ),
    Case(
        "HTML with another sidecar under the old name",
        page(A_HTML, f'data-dist-info-metadata="sha256={A_META}"', f'data-dist-info-metadata="sha256={ZEROS}"'),
        [
            f"{A_HTML}: {ALPHA.filename}: data-core-metadata is sha256={A_META}, "
            f"and data-dist-info-metadata sha256={ZEROS}"
        ],
    ),
    Case(
        "HTML without a yank",
        page(A_HTML, ' data-yanked=""', ""),
        [f"{A_HTML}: {YANKED.filename}: its yanked is False, and in index.json True"],
    ),
    Case(
        "HTML with another reason of a yank",
        page("simple/beta-x/index.html", 'data-yanked="it &lt;fails&gt;"', 'data-yanked="no"'),
        [f"simple/beta-x/index.html: {BETA.filename}: its yanked is no, and in index.json it <fails>"],
    ),
    Case(
        "HTML without provenance",
        page(A_HTML, "data-provenance", "data-x"),
        [f"{A_HTML}: {ALPHA.filename}: its provenance is None, and in index.json provenance/{ALPHA.filename}.json"],
    ),
    Case(
        "HTML with another status",
        page(A_HTML, 'content="active"', 'content="archived"'),
        [f"{A_HTML}: its project's status is archived, and in index.json active"],
    ),
    Case(
        "HTML with another reason",
        page("simple/evil/index.html", "it steals", "for fun"),
        ["simple/evil/index.html: its project's reason is for fun, and in index.json it steals"],
    ),
]
FACTS = [
    Case(
        "another version of the API",
        json_page(A_JSON, lambda told: told.update(meta={"api-version": "1.3"})),
        [f"{A_JSON}: its meta is {{'api-version': '1.3'}}, and not the api-version 1.4"],
    ),
    Case(
        "other versions",
        json_page(A_JSON, lambda told: told.update(versions=["1.9"])),
        [f"{A_JSON}: its versions are ['1.9'], and those of its files ['1.0', '1.9']"],
    ),
    Case(
        "a status that nobody knows",
        json_page(A_JSON, lambda told: told.update({"project-status": {"status": "odd"}})),
        [
            f"{A_HTML}: its project's status is active, and in index.json odd",
            f"{A_JSON}: its project-status is {{'status': 'odd'}}, which PEP 792 does not know",
        ],
    ),
    Case(
        "a denied project that looks active",
        both(
            json_page("simple/evil/index.json", lambda told: told.update({"project-status": {"status": "active"}})),
            page("simple/evil/index.html", 'content="quarantined"', 'content="active"'),
            page("simple/evil/index.html", '<meta name="pypi:project-status-reason" content="it steals">', ""),
        ),
        [
            "simple/evil/index.json: its project-status is {'status': 'active'}, and not "
            "{'status': 'quarantined', 'reason': 'it steals'}"
        ],
    ),
    Case("another size", alpha(size=1), [f"{A_JSON}: {ALPHA.filename}: its size is 1, and of the file <size>"]),
    Case("no size", without("size"), [f"{A_JSON}: {ALPHA.filename}: its size is None, and of the file <size>"]),
    Case(
        "another URL",
        both(alpha(url="../../packages/x"), page(A_HTML, f"../../packages/{ALPHA.filename}", "../../packages/x")),
        [
            f"{A_JSON}: {ALPHA.filename}: its url is ../../packages/x, and not ../../packages/{ALPHA.filename}",
            f"{A_HTML}: links ../../packages/x#sha256=<sha256>, which is not there",
        ],
    ),
    Case(
        "a time with a zone",
        alpha(upload__time="2024-01-02T03:04:05+01:00"),
        [
            f"{A_JSON}: {ALPHA.filename}: its upload-time is 2024-01-02T03:04:05+01:00, "
            "which is no time as PEP 700 writes it"
        ],
    ),
    Case(
        "no day of the calendar",
        alpha(_approved="2024-02-31T00:00:00Z"),
        [f"{A_JSON}: {ALPHA.filename}: its _approved is 2024-02-31T00:00:00Z, which is no time as PEP 700 writes it"],
    ),
    Case(
        "another sidecar in both forms",
        both(alpha(**{"core-metadata": {"sha256": ZEROS}}), page(A_HTML, A_META, ZEROS)),
        [
            f"{A_JSON}: {ALPHA.filename}: its core-metadata is {{'sha256': '{ZEROS}'}}, "
            f"and of the file {{'sha256': '{A_META}'}}"
        ],
    ),
    Case(
        "another Python in both forms",
        both(alpha(requires__python=">=3.9"), page(A_HTML, "&gt;=3.8,&lt;4", "&gt;=3.9")),
        [f"{A_JSON}: {ALPHA.filename}: its requires-python is >=3.9, and of the file >=3.8,<4"],
    ),
    Case(
        "an empty yank",
        both(alpha(yanked="")),
        [
            f"{A_HTML}: {ALPHA.filename}: its yanked is False, and in index.json True",
            f"{A_JSON}: {ALPHA.filename}: its yanked is empty, which PEP 691 does not count as a yank",
        ],
    ),
    Case(
        "provenance elsewhere",
        both(
            alpha(provenance="../../provenance/x.json"),
            page(A_HTML, f"../../provenance/{ALPHA.filename}.json", "../../provenance/x.json"),
        ),
        [
            f"{A_JSON}: {ALPHA.filename}: its provenance is ../../provenance/x.json, "
            f"and not ../../provenance/{ALPHA.filename}.json"
        ],
    ),
    Case(
        "another provenance",
        page(f"provenance/{ALPHA.filename}.json", "xx", "yy"),
        [f"provenance/{ALPHA.filename}.json: its sha256 is not the one in {A_JSON}"],
    ),
    Case(
        "a list with another Python",
        page("packages.json", ">=3.8,<4", ">=3.9"),
        [f"packages.json: {ALPHA.filename}: its requires_python is >=3.9, and of the file >=3.8,<4"],
    ),
    Case(
        "a list with another sidecar",
        page("files.jsonl", A_META, ZEROS),
        [f"files.jsonl: {ALPHA.filename}: its core_metadata is sha256={ZEROS}, and of the file sha256={A_META}"],
    ),
    Case(
        "a list that is none",
        page("files.jsonl", "{", "["),
        ["files.jsonl: is no list of files, one JSON object a line"],
    ),
    Case(
        "a list that is nested without end",
        whole("files.jsonl", "[" * 100_000),
        ["files.jsonl: is no list of files, one JSON object a line"],
    ),
    Case(
        "a bill of materials that lacks a file",
        json_page("sbom.cdx.json", without_last_component),
        ["sbom.cdx.json: gamma-3.0.tar.gz: its sha256 is None, and on its project's page <gamma>"],
    ),
    Case(
        "a bill of materials that was edited",
        page("sbom.cdx.json", '"name":"alpha"', '"name":"omega"'),
        ["sbom.cdx.json: its serialNumber is not that of its content"],
    ),
    *(
        Case(
            f"a bill of materials that is none: {text[:20]}",
            whole("sbom.cdx.json", text),
            ["sbom.cdx.json: is no bill of materials of ours"],
        )
        for text in ("x", "[]", "{}", '{"components": [3]}', "[" * 100_000)
    ),
]
LINKS = [
    Case(
        "a page that links nothing",
        page("index.html", "</main>", '<a href="nowhere/">x</a></main>'),
        ["index.html: links nowhere/, which is not there"],
    ),
    Case(
        "an image from elsewhere",
        page(A_PEOPLE, "</main>", '<img src="https://x.example/y.png"></main>'),
        [f"{A_PEOPLE}: links https://x.example/y.png, which leads away"],
    ),
    Case(
        "a style from elsewhere",
        page(A_PEOPLE, "</main>", '<style>p { background: url("https://x.example/y.png") }</style></main>'),
        [f"{A_PEOPLE}: links https://x.example/y.png, which leads away"],
    ),
    Case(
        "a page that sends its readers elsewhere",
        page(A_PEOPLE, "</main>", '<meta http-equiv="refresh" content="0; url=https://x.example/"></main>'),
        [f"{A_PEOPLE}: links https://x.example/, which leads away"],
    ),
    Case(
        "a page whose links begin elsewhere",
        page(A_HTML, "<head>", '<head><base href="../alpha/">'),
        [f"{A_HTML}: is no page of the Simple API"],
    ),
    Case(
        "another site that is not marked as one",
        page(A_PEOPLE, "</main>", '<a href="https://x.example/">y</a></main>'),
        [f"{A_PEOPLE}: links https://x.example/, which leads away"],
    ),
    Case(
        "an absolute link",
        page("changes/index.html", 'href="../style.css"', 'href="/style.css"'),
        ["changes/index.html: links /style.css, which leads away"],
    ),
    Case(
        "a script in a link",
        page("changes/index.html", "</main>", '<a rel="nofollow" href="javascript:x()">y</a></main>'),
        ["changes/index.html: links javascript:x(), which leads away"],
    ),
    Case(
        "a page for what is not here that links nothing",
        page("not-here.html", "style.css", "nowhere.css"),
        ["not-here.html: links [[placeholder `http.vars.top`]]nowhere.css, which is not there"],
    ),
    Case(
        "a project's page that leaves the release",
        page(A_HTML, "</ul>", '<link href="../../../../x"></ul>'),
        [f"{A_HTML}: links ../../../../x, which is not there"],
    ),
    Case(
        "no HTML",
        both(lambda live: (live / "index.html").write_text(""), lambda live: seal(live, ["index.html"])),
        ["index.html: does not tell the release <release>", "index.html: is no HTML page"],
    ),
]
TWIN = f"provenance/{ALPHA.filename}.json.gz"
VALIDATORS = [
    Case(
        "another ETag",
        lambda live: (live / "site.js.etag").write_text('"x"'),
        ["site.js.etag: is not the ETag of site.js"],
    ),
    Case(
        "another ETag of a twin",
        lambda live: (live / f"{TWIN}.etag").write_text(validator(b"x")),
        [f"{TWIN}.etag: is not the ETag of {TWIN.removesuffix('.gz')}"],
    ),
    Case(
        "another twin",
        lambda live: (live / TWIN).write_bytes(gzip.compress(PROVENANCE + b" ")),
        [f"{TWIN}: does not unpack to {TWIN.removesuffix('.gz')}"],
    ),
    Case(
        "a damaged twin",
        lambda live: (live / TWIN).write_bytes((live / TWIN).read_bytes()[:40]),
        [f"{TWIN}: does not unpack to {TWIN.removesuffix('.gz')}"],
    ),
]
CASES = [*LAYOUT, *RELEASE, *LOCKS, *NAMES, *FORMS, *FACTS, *LINKS, *VALIDATORS]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_release_that_breaks_a_rule_is_named(
    case: Case, published: Published, capsys: pytest.CaptureFixture[str]
) -> None:
    case.change(published.live)
    assert told(published, capsys) == [fill(line, published.live) for line in case.said]


def renamed(name: str) -> Callable[[Path], object]:
    """Give GAMMA another name on its page, in both forms."""
    return both(*(page(f"simple/gamma/index.{form}", GAMMA.filename, name) for form in ("json", "html")))


RENAMED = {
    "alpha-3.0.tar.gz": "is a file of alpha",
    "gamma-4.0.tar.gz": "is of version 4.0, and its hash is locked for 3.0",
    "gamma": "is not the name of a wheel or sdist",
}


@pytest.mark.parametrize(("name", "fact"), RENAMED.items())
def test_a_file_of_another_name_is_named(
    name: str, fact: str, published: Published, capsys: pytest.CaptureFixture[str]
) -> None:
    renamed(name)(published.live)
    lines = told(published, capsys)
    assert f"simple/gamma/index.json: {name}: {fact}" in lines
    assert f"packages/{name}: is missing, and a page lists it" in lines
    assert f"packages/{GAMMA.filename}: is a file that does not belong here" in lines


# Before a release is published


def publish_broken(checkout: Checkout, upstream: Upstream, folder: Path, change: Callable[[Path], object]) -> str:
    """Do what `make index` does, with a site that was changed once it was built; return how that ends."""
    settings, wanted = read_approved()
    with opened(checkout.root) as root:
        found = fetch(root, wanted, settings, Source(upstream.url, 60))
        moment = next_moment(root)
        offer = Offer(list_files(root, found, wanted, time_text(moment)))
        built = build(offer, folder)
        change(folder)
        paths = Places({pin.sha256: parts for pin, parts in found.parts.items()})
        with pytest.raises(SystemExit) as caught:
            publish_site(root, Made(offer, folder, built, paths, moment, wanted, origin_of({}, ())), 5, Signing())
    return str(caught.value)


BUILT: list[tuple[str, Callable[[Path], object], str]] = [
    (
        "a page that says another size",
        lambda site: edit(site / A_JSON, lambda told: told["files"][0].update(size=1)),
        f"{A_JSON}: {ALPHA.filename}: its size is 1, and of the file {len(ALPHA.data)}",
    ),
    (
        "a stray",
        both(lambda site: (site / ".x").mkdir(), lambda site: (site / ".x/y").write_text("")),
        ".x: is a folder that does not belong here",
    ),
    ("a page that is missing", lambda site: (site / "site.js").unlink(), "site.js: is missing, a file"),
    (
        "a link that leads nowhere",
        lambda site: rewrite(site / A_PEOPLE, "</main>", '<a href="x">x</a></main>'),
        f"{A_PEOPLE}: links x, which is not there",
    ),
    (
        "another ETag",
        lambda site: (site / "style.css.etag").write_text('"x"'),
        "style.css.etag: is not the ETag of style.css",
    ),
]


@pytest.mark.parametrize(("change", "said"), [case[1:] for case in BUILT], ids=[case[0] for case in BUILT])
def test_a_site_that_breaks_a_rule_is_never_published(
    change: Callable[[Path], object], said: str, checkout: Checkout, upstream: Upstream, tmp_path: Path
) -> None:
    upstream.add(OTHER)
    approve(OTHER)
    checkout.index()
    upstream.add(ALPHA)
    approve(ALPHA)
    before = tree(checkout.root)
    end = publish_broken(checkout, upstream, tmp_path / "site", change)
    assert end == f"{said}; nothing is published; this should not happen, report it with this line"
    waiting = {f"incoming/{ALPHA.filename}", f"incoming/{ALPHA.filename}.json"}
    assert {name: data for name, data in tree(checkout.root).items() if name not in waiting} == before


# The pool and the shared folder


def by_another_way(root: Path) -> None:
    target = (root / "web").resolve()
    (root / "web").unlink()
    (root / "web").symlink_to(target)


SHARED: list[tuple[str, Callable[[Path], object], list[str]]] = [
    (
        "another byte in a file",
        lambda root: (root / f"packages/{GAMMA.filename}").write_bytes(OTHER.data),
        [
            f"releases/<release>/simple/gamma/index.json: {GAMMA.filename}: its size is <gamma-size>, and of the file "
            f"{len(OTHER.data)}; <usual>",
            f"packages/{GAMMA.filename}: is not a sound archive: Not a gzipped file (b'PK'); <usual>",
            f"releases/<release>/simple/gamma/index.json: {GAMMA.filename}: is listed with sha256 <gamma>, and the "
            f"file has {OTHER.sha256}; <usual>",
        ],
    ),
    (
        "another sidecar",
        lambda root: (root / f"packages/{ALPHA.filename}.metadata").write_bytes(ALPHA.metadata + b" "),
        [f"packages/{ALPHA.filename}.metadata: is not the METADATA that its wheel holds; <usual>"],
    ),
    (
        "no sidecar",
        lambda root: (root / f"packages/{ALPHA.filename}.metadata").unlink(),
        [f"packages/{ALPHA.filename}.metadata: is missing, a file; <usual>"],
    ),
    (
        "no file",
        lambda root: (root / f"packages/{ALPHA.filename}").unlink(),
        [f"packages/{ALPHA.filename}: is missing, and a page lists it; <usual>"],
    ),
    (
        "a stray file",
        lambda root: (root / "packages" / OTHER.filename).write_bytes(OTHER.data),
        [f"packages/{OTHER.filename}: is a file that does not belong here; <usual>"],
    ),
    (
        "a stray dotfile",
        lambda root: (root / "packages" / ".x").mkdir(),
        ["packages/.x: is a folder that does not belong here; <usual>"],
    ),
    (
        "a stray sidecar",
        lambda root: (root / f"packages/{GAMMA.filename}.metadata").write_bytes(GAMMA.metadata),
        [f"packages/{GAMMA.filename}.metadata: is a file that does not belong here; <usual>"],
    ),
    (
        "a file that is a link",
        both(
            lambda root: (root / f"packages/{ALPHA.filename}").rename(root / "retired/x.whl"),
            lambda root: (root / f"packages/{ALPHA.filename}").symlink_to("../retired/x.whl"),
        ),
        [
            f"packages/{ALPHA.filename}: is a link, and not a file; <usual>",
            f"packages/{ALPHA.filename}: is missing, and a page lists it; <usual>",
        ],
    ),
    (
        "something at the top",
        lambda root: (root / "notes.txt").write_text(""),
        ["notes.txt: is a file that does not belong here; remove it"],
    ),
    (
        "no part of the layout",
        lambda root: shutil.rmtree(root / "retired"),
        ["retired: is missing, a folder; <usual>"],
    ),
    (
        "a part that is a link",
        both(lambda root: (root / "bin").rename(root.parent / "bin"), lambda root: (root / "bin").symlink_to("../bin")),
        ["bin: is a link, and not a folder; <usual>"],
    ),
    (
        "no release among them",
        lambda root: (root / "releases/.old").mkdir(),
        ["releases/.old: is a folder that is no release; remove it"],
    ),
    (
        "a link by another way",
        by_another_way,
        ["web: leads to <root>/releases/<release>, and not to releases/<release>; <usual>"],
    ),
]


@pytest.mark.parametrize(("change", "said"), [case[1:] for case in SHARED], ids=[case[0] for case in SHARED])
def test_a_shared_folder_that_breaks_a_rule_is_named(
    change: Callable[[Path], object], said: list[str], published: Published, capsys: pytest.CaptureFixture[str]
) -> None:
    release = published.live.name
    change(published.root)
    assert verify.main([f"--root={published.root}"]) == 1
    known = {"usual": "run make index", "release": release, "root": str(published.root), "gamma": GAMMA.sha256}
    for name, value in {**known, "gamma-size": str(len(GAMMA.data))}.items():
        said = [line.replace(f"<{name}>", value) for line in said]
    assert capsys.readouterr().err.splitlines() == [f"{published.root}/{line}" for line in said]
