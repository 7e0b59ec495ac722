"""scripts/people.py, scripts/project_view.py, web/: what the pages for people say, read without a browser."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from browser_offers import RELEASE, TIME, company, company_history, file
from lxml import html

from scripts import people
from scripts.build import build
from scripts.core_metadata import About
from scripts.facts import Facts, Status
from scripts.history import Change, Entry
from scripts.list_files import File
from scripts.locks import Key
from scripts.offer import Offer
from scripts.project import projects_of
from scripts.target import Target
from scripts.why import Chain

URL = "https://pypi.example.com/simple/"
HISTORY = (Entry(RELEASE, TIME, ()),)


class Pages:
    """The pages of an offer, parsed."""

    def __init__(self, folder: Path, offer: Offer, history: Sequence[Entry] = HISTORY) -> None:
        self.site = folder / "site"
        self.site.mkdir()
        people.write_pages(offer, self.site)
        for project in projects_of(offer):
            people.write_project(project, self.site)
        people.write_release_pages(offer, self.site, history)

    def page(self, path: str = "index.html") -> html.HtmlElement:
        """Parse one page."""
        text = (self.site / path).read_bytes()
        return html.document_fromstring(text, parser=html.HTMLParser(encoding="utf-8"))

    def project(self, name: str) -> html.HtmlElement:
        """Parse a project's page."""
        return self.page(f"project/{name}/index.html")

    @property
    def all(self) -> dict[str, html.HtmlElement]:
        """Parse every page for people."""
        paths = sorted(path.relative_to(self.site).as_posix() for path in self.site.rglob("*.html"))
        return {path: self.page(path) for path in paths}


_STEPS = {" ": "//", ">": "/", "~": "/following-sibling::"}
_TESTS = {
    ".": "contains(concat(' ', @class, ' '), ' {} ')",
    "#": "@id = '{}'",
    ":first-child": "not(preceding-sibling::*)",
    ":last-child": "not(following-sibling::*)",
}


def _xpath(selector: str) -> str:
    """Write as XPath what these tests need of CSS's selectors."""
    path = "descendant::"
    for step, tag, tests in re.findall(r"\s*([ >~]|^)\s*([a-z0-9]*)((?:[.#:][\w-]+)*)", selector):
        path += _STEPS.get(step, "") + (tag or "*")
        for kind, name in re.findall(r"(:[\w-]+|[.#])([\w-]*)", tests):
            path += f"[{_TESTS[kind].format(name)}]"
    return path


def css(page: html.HtmlElement, selectors: str) -> list[html.HtmlElement]:
    return list(page.xpath(" | ".join(map(_xpath, selectors.split(", ")))))


def text(element: html.HtmlElement) -> str:
    return " ".join(element.text_content().split())


def texts(page: html.HtmlElement, selector: str) -> list[str]:
    return [text(element) for element in css(page, selector)]


def facts(page: html.HtmlElement, selector: str) -> dict[str, str]:
    """Return the terms of a list of definitions, and what is said of each."""
    return dict(zip(texts(page, f"{selector} dt"), texts(page, f"{selector} dd"), strict=True))


def key(target: str, set_name: str = "requirements") -> Key:
    return Key(set_name, Target.parse(target))


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Pages:
    return Pages(tmp_path_factory.mktemp("pages"), company(), company_history())


# The front page


def test_each_project_stands_there_with_newest_version_summary_and_licence(tmp_path: Path) -> None:
    offer = Offer(
        [
            file("alpha-1.9-py3-none-any.whl", about=About("Old.", "MIT")),
            file("alpha-1.10-py3-none-any.whl", about=About("First.", "MIT")),
            file("Beta-2.0.tar.gz", about=About("Second.", "BSD")),
        ],
        statuses={"beta": Status("archived")},
        denied={"gamma": "No."},
    )
    rows = css(Pages(tmp_path, offer).page(), ".projects li")
    assert [[text(cell) for cell in row] for row in rows] == [
        ["alpha", "1.10", "First.", "MIT"],
        ["beta", "2.0 archived", "Second.", "BSD"],
        ["gamma", "denied", "No.", ""],
    ]
    assert [row[0].get("href") for row in rows] == ["project/alpha/", "project/beta/", "project/gamma/"]


def test_the_newest_version_is_neither_yanked_nor_a_pre_release_where_another_is_there(tmp_path: Path) -> None:
    yanked = Facts(yanked=True)
    offer = Offer(
        [
            file("a-1-py3-none-any.whl"),
            file("a-2-py3-none-any.whl", facts=yanked),
            file("a-3b1-py3-none-any.whl"),
            file("b-2rc1-py3-none-any.whl"),
            file("c-1-py3-none-any.whl", facts=yanked),
        ]
    )
    assert texts(Pages(tmp_path, offer).page(), ".projects .version") == ["1", "2rc1", "1"]


def test_it_says_what_the_release_is_and_how_much_is_in_it(pages: Pages) -> None:
    assert facts(pages.page(), ".facts") == {
        "Projects": "29",
        "Files": "89 27.2 MB",
        "Python": "3.11, 3.12, 3.13",
        "Platforms": "Linux x86_64, macOS arm64, Windows AMD64",
        "Release": f"{RELEASE} published 2026-11-22 13:01 UTC",
        "Changed in it": "1 project added, 1 project removed, 2 projects upgraded What changed",
        "Bill of materials": "sbom.cdx.json CycloneDX 1.6",
    }
    assert texts(pages.page(), "#found") == ["29 projects, 1 denied name"]


def test_it_says_so_where_nothing_is_approved(tmp_path: Path) -> None:
    page = Pages(tmp_path, Offer()).page()
    assert texts(page, "#projects p") == ["0 projects", "Nothing is approved yet."]
    assert facts(page, ".facts") == {
        "Projects": "0",
        "Files": "0 0 B",
        "Release": f"{RELEASE} published 2026-11-22 13:01 UTC",
        "Changed in it": "nothing What changed",
        "Bill of materials": "sbom.cdx.json CycloneDX 1.6",
    }


def snippets(page: html.HtmlElement) -> dict[str, list[str]]:
    return {
        panel.get("aria-label"): [code.text_content() for code in css(panel, "pre")] for panel in css(page, ".panel")
    }


def test_the_files_to_set_clients_up_are_what_these_read(pages: Pages) -> None:
    found = snippets(pages.page())
    assert list(found) == ["pip", "uv", "Poetry", "PDM", "Pipenv", "Hatch", "conda", "Docker"]
    index = {"url": URL, "default": True}
    assert [tomllib.loads(one) for one in found["uv"][:2]] == [{"tool": {"uv": {"index": [index]}}}, {"index": [index]}]
    source = {"name": "approved", "url": URL}
    assert tomllib.loads(found["Poetry"][0]) == {"tool": {"poetry": {"source": [source | {"priority": "primary"}]}}}
    named_pypi = {"name": "pypi", "url": URL, "verify_ssl": True}
    assert tomllib.loads(found["PDM"][0]) == {"tool": {"pdm": {"source": [named_pypi]}}}
    assert tomllib.loads(found["Pipenv"][0]) == {"source": [source | {"verify_ssl": True}]}
    variables = {"PIP_INDEX_URL": URL, "UV_DEFAULT_INDEX": URL}
    assert tomllib.loads(found["Hatch"][1]) == {"tool": {"hatch": {"envs": {"default": {"env-vars": variables}}}}}
    needs = ["python", "pip", {"pip": [f"--index-url {URL}", "flask"]}]
    assert yaml.safe_load(found["conda"][0]) == {"dependencies": needs}


def test_the_commands_to_set_clients_up_name_the_index(pages: Pages) -> None:
    found = snippets(pages.page())
    assert found["pip"] == [
        f"pip install --index-url {URL} flask",
        f"pip config set global.index-url {URL}",
        f"export PIP_INDEX_URL={URL}",
    ]
    assert found["uv"][2] == f"export UV_DEFAULT_INDEX={URL}"
    assert found["Poetry"][1] == f"poetry source add --priority=primary approved {URL}"
    assert found["PDM"][1] == f"pdm config pypi.url {URL}"
    assert found["Pipenv"][1] == f"export PIPENV_PYPI_MIRROR={URL}"
    assert found["Hatch"][0] == f"export PIP_INDEX_URL={URL}\nexport UV_DEFAULT_INDEX={URL}"
    assert found["conda"][1] == f"conda env config vars set PIP_INDEX_URL={URL}"
    assert found["Docker"] == [
        f"{word} PIP_INDEX_URL={URL}\n{word} UV_DEFAULT_INDEX={URL}" for word in ("ARG", "ENV")
    ]  # fmt: skip


# A project's page


def test_a_file_stands_there_with_all_that_is_known_of_it(pages: Pages) -> None:
    page = pages.project("flask")
    assert texts(page, "h1") == ["flask 3.1.3"]
    assert texts(page, ".file") == [
        "flask-3.1.3-py3-none-any.whl",
        "flask-3.0.3-py3-none-any.whl yanked CVE-2026-27205: a cache may keep a response that varies by cookie",
    ]
    newest = company().projects["flask"][1].distribution
    assert facts(css(page, ".files")[0], "li") == {
        "Size": "465 kB",
        "Uploaded": "2026-09-03 10:11 UTC",
        "Approved": "2026-11-22 13:01 UTC",
        "Provenance": "attestations",
        "Metadata": "METADATA",
        "Serves": "3.11, 3.12, 3.13 on manylinux_2_28_x86_64, macosx_14_0_arm64, win_amd64",
        "sha256": newest.sha256,
    }
    assert [link.get("href") for link in css(page, "details .files a")] == [
        "../../packages/flask-3.0.3-py3-none-any.whl",
        "../../packages/flask-3.0.3-py3-none-any.whl.metadata",
    ]


def test_the_matrix_says_which_version_is_served_on_which_python_and_platform(tmp_path: Path) -> None:
    linux, windows = "manylinux_2_28_x86_64", "win_amd64"
    offer = Offer(
        [
            file("a-1.0.tar.gz", serves=[key(f"3.9-{linux}")]),
            file("a-2.0-py3-none-any.whl", serves=[key(f"3.10-{linux}"), key(f"3.14t-{windows}")]),
            file("b-1.0-py3-none-any.whl", serves=[key("3.14-macosx_14_0_arm64")]),
        ]
    )
    table = css(Pages(tmp_path, offer).project("a"), "table")[0]
    assert [[text(cell) for cell in row] for row in table.iter("tr")] == [
        ["Python", "Linux x86_64 manylinux_2_28_x86_64", "macOS arm64 macosx_14_0_arm64", "Windows AMD64 win_amd64"],
        ["3.9", "1.0 sdist", "–", "–"],
        ["3.10", "2.0", "–", "–"],
        ["3.14", "–", "–", "–"],
        ["3.14t", "–", "–", "2.0"],
    ]


def test_the_matrix_names_the_sets_where_there_are_several_and_leads_to_the_file(pages: Pages) -> None:
    page = pages.project("flask")
    assert texts(page, "tbody tr:first-child td:last-child div") == ["3.1.3 requirements", "3.0.3 yanked legacy"]
    links = {link.get("href")[1:] for link in css(page, "td a")}
    assert links == {item.get("id") for item in css(page, ".files > li")}


def test_targets_of_a_file_are_told_in_few_words(tmp_path: Path) -> None:
    keys = [key(f"{python}-{tag}") for tag in ("win_amd64", "musllinux_1_2_x86_64") for python in ("3.10", "3.9")]
    offer = Offer([file("a-1-py3-none-any.whl", serves=[*keys, key("3.14t-win32"), key("3.9-win_amd64", "dev")])])
    page = Pages(tmp_path, offer).project("a")
    assert facts(page, ".files")["Serves"] == "3.9, 3.10 on musllinux_1_2_x86_64, win_amd64; 3.14t on win32"
    assert "Linux x86_64 (musl) musllinux_1_2_x86_64" in texts(page, "thead th")


def test_dependencies_lead_to_their_pages_and_those_that_are_not_here_are_marked(tmp_path: Path) -> None:
    requires = [
        "Typing.Extensions>=4",
        "absent[x,a]!=2 ; python_version < '3.10'",
        "bad",
        "beta; extra == 'more'",
        'gamma; platform_machine == "extra"',
    ]
    offer = Offer(
        [file("a-1-py3-none-any.whl", requires=requires), *map(file, ("typing_extensions-4.1-py3-none-any.whl",))],
        denied={"bad": "No."},
    )
    page = Pages(tmp_path, offer).project("a")
    assert texts(page, "#needs ~ .needs li") == [
        "Typing.Extensions>=4",
        'absent[a,x]!=2 if python_version < "3.10" not in this index',
        "bad denied",
        'gamma if platform_machine == "extra" not in this index',
    ]
    assert texts(page, "details .needs li") == ['beta if extra == "more" not in this index']
    assert [link.get("href") for link in css(page, ".needs a")] == ["../typing-extensions/", "../bad/"]


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ([file("a-1-py3-none-any.whl")], "1 needs no other project."),
        (
            [file("a-1-py3-none-any.whl", requires=["b; extra=='x'"])],
            "1 needs no other project unless an extra is asked for.",
        ),
        ([file("a-1.tar.gz")], "It comes as an sdist, which says what it needs only when it is built."),
    ],
)
def test_it_says_so_where_nothing_is_needed(tmp_path: Path, files: list[File], said: str) -> None:
    assert texts(Pages(tmp_path, Offer(files)).project("a"), "#needs ~ p") == [said]


def test_why_a_project_is_here_goes_from_the_requirement_down_to_it(pages: Pages) -> None:
    page = pages.project("markupsafe")
    assert texts(page, ".chains > li > p") == ["requirements.in:2 asks for flask>=3 our services"]
    assert texts(page, ".chain li") == ["flask", "markupsafe"]
    assert [link.get("href") for link in css(page, ".chain a")] == ["../flask/"]
    assert texts(pages.project("flask"), "#why ~ h3") == ["Set legacy", "Set requirements"]


def test_of_many_reasons_the_first_ten_stand_there(tmp_path: Path) -> None:
    chains = [Chain("requirements", ("a", f"p{number}"), f"r.in:{number}", f"p{number}", "") for number in range(12)]
    pages = Pages(tmp_path, Offer([file("a-1-py3-none-any.whl"), file("b-1-py3-none-any.whl")], chains={"a": chains}))
    assert len(css(pages.project("a"), ".chains > li")) == 10
    assert texts(pages.project("a"), "#why ~ .note") == ["and 2 more ways."]
    assert texts(pages.project("b"), "#why ~ p") == ["No lock says why."]


def test_a_denied_name_has_a_page_with_the_reason_and_no_files(pages: Pages) -> None:
    page = pages.project("python-jwt")
    assert texts(page, ".reason") == ["Forgeable tokens, and unmaintained: take pyjwt."]
    assert css(page, ".files, table, pre") == []
    assert "https://git.example.com/platform/pypi/issues/new" in [link.get("href") for link in page.iter("a")]


@pytest.mark.parametrize("status", ["archived", "deprecated", "quarantined"])
def test_the_upstreams_status_stands_above_the_rest(tmp_path: Path, status: str) -> None:
    offer = Offer([file("a-1-py3-none-any.whl")], statuses={"a": Status(status, "It is done.")})
    page = Pages(tmp_path, offer).project("a")
    assert texts(page, f".notice.{status}") == [f"Upstream, this project is {status}. It is done."]


# What changed, and what is not here


def test_each_release_tells_what_it_added_removed_and_upgraded(pages: Pages) -> None:
    page = pages.page("changes/index.html")
    assert texts(page, "h2") == ["2026-11-22 13:01 UTC this release", "2026-11-04 08:15 UTC", "2026-10-19 15:22 UTC"]
    assert texts(css(page, "section")[0], "details") == [
        "Upgraded 2 flask 3.0.3, 3.1.2 → 3.0.3, 3.1.3 urllib3 2.7.0 → 2.8.0",
        "Added 1 pandas 3.0.0",
        "Removed 1 pyjwt 2.11.0",
    ]
    assert [link.get("href") for link in css(page, ".changes a")][:3] == [
        "../project/flask/",
        "../project/urllib3/",
        "../project/pandas/",
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (Change("a", "downgraded", ("2",), ("1",), 1, 1), "Downgraded 1 a 2 → 1"),
        (Change("a", "changed", ("1", "2"), ("2",), 0, 1), "Changed 1 a 1, 2 → 2 −1 file"),
        (Change("a", "changed", ("2",), ("2",), 2, 1), "Changed 1 a 2 +2 files −1 file"),
    ],
)
def test_other_changes_are_told_too(tmp_path: Path, change: Change, said: str) -> None:
    pages = Pages(tmp_path, Offer(), [Entry(RELEASE, TIME, (change,)), *HISTORY])
    assert texts(pages.page("changes/index.html"), "details, section > p:last-child") == [said, "No project changed."]


def test_a_long_list_of_changes_is_folded_up(tmp_path: Path) -> None:
    changes = [Change(f"p{number}", "added", (), ("1",), 1, 0) for number in range(41)]
    page = Pages(tmp_path, Offer(), [Entry(RELEASE, TIME, tuple(changes))]).page("changes/index.html")
    assert [fold.get("open") for fold in page.iter("details")] == [None]


def test_no_word_of_ours_but_the_templates_own_is_an_action_for_caddy(tmp_path: Path) -> None:
    offer = Offer(denied={"b": "[[env]]", "a": "{{env}}"}, request_url="https://x.example.com/[[env `HOME`]]")
    pages = Pages(tmp_path, offer)
    actions = re.findall(r"\[\[(.*?)\]\]", (pages.site / "not-here.html").read_text())
    assert set(actions) == {
        "placeholder `http.vars.top`",
        "placeholder `http.vars.project`",
        "if placeholder `http.vars.project`",
        "else",
        "end",
    }
    page = pages.page("not-here.html")
    assert css(page, "#near")[0].get("data-denied") == "a b"
    assert css(page, "main ul a")[-1].get("href") == "https://x.example.com/%5B%5Benv `HOME`%5D%5D"


def test_without_a_place_to_ask_it_says_whom(tmp_path: Path) -> None:
    page = Pages(tmp_path, Offer()).page("not-here.html")
    assert texts(page, "main ul li")[-1] == (
        "Ask those who run this index for it: it will be here once it is reviewed and approved."
    )


# Every page


def test_every_link_leads_to_something_in_the_release(tmp_path: Path) -> None:
    site = tmp_path / "site"
    build(company(), site)
    people.write_release_pages(company(), site, company_history())
    (site / "packages").mkdir()
    for one in company().files:
        for name in (one.distribution.filename, f"{one.distribution.filename}.metadata"):
            (site / "packages" / name).touch()
    broken = []
    for page in (*site.glob("project/*/index.html"), site / "index.html", site / "changes" / "index.html"):
        document = html.fromstring(page.read_text())
        ids = {element.get("id") for element in document.iter()}
        for _, attribute, link, _ in document.iterlinks():
            parts = urlsplit(link)
            place = (page.parent / unquote(parts.path)) if parts.path else page
            if not parts.scheme and not (place.exists() and (place != page or parts.fragment in ids)):
                broken.append((page, attribute, link))
            assert not link.startswith("/")
    assert broken == []


def test_a_strict_content_security_policy_blocks_nothing(pages: Pages) -> None:
    for path, page in pages.all.items():
        inline = [element.tag for element in page.iter("style", "script") if not element.get("src")]
        inline += [
            name for element in page.iter(html.etree.Element) for name in element.attrib if name.startswith("on")
        ]
        inline += [element.tag for element in page.iter(html.etree.Element) if "style" in element.attrib]
        assert (path, inline) == (path, [])


def test_a_page_has_a_language_one_title_and_headings_in_order(pages: Pages) -> None:
    for path, page in pages.all.items():
        levels = [int(heading.tag[1]) for heading in page.iter("h1", "h2", "h3", "h4")]
        levels = levels[1:] if path == "not-here.html" else levels  # it has two bodies, of which Caddy sends one
        assert (path, page.get("lang"), levels.count(1)) == (path, "en", 1)
        assert all(after <= before + 1 for before, after in pairwise(levels))
        labelled = {label.get("for") for label in page.iter("label")}
        assert {field.get("id") for field in page.iter("input")} <= labelled
        ids = [element.get("id") for element in page.iter(html.etree.Element) if element.get("id")]
        assert sorted(ids) == sorted(set(ids))


def test_the_same_offer_gives_the_same_bytes(tmp_path: Path, pages: Pages) -> None:
    (tmp_path / "again").mkdir()
    again = Pages(tmp_path / "again", company(), company_history())
    files = sorted(path.relative_to(pages.site) for path in pages.site.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(again.site) for path in again.site.rglob("*") if path.is_file())
    assert all((pages.site / path).read_bytes() == (again.site / path).read_bytes() for path in files)


HOSTILE = '"><img src=x onerror=alert(1)><script>alert(2)</script>{{7*7}}[[env]]\u202e\x00'


def test_what_a_package_says_is_text_and_nothing_else(tmp_path: Path) -> None:
    about = About(
        HOSTILE, HOSTILE, ((HOSTILE, "https://a.example.com/?q=%22"), ("x", "javascript:alert(3)"), ("y", "http://["))
    )
    offer = Offer(
        [file("a-1-py3-none-any.whl", about=about, facts=Facts(yanked=HOSTILE))],
        statuses={"a": Status("archived", HOSTILE)},
        denied={"bad": HOSTILE},
        chains={"a": [Chain("requirements", ("a",), "r.in:1", "a", HOSTILE)]},
    )
    pages = Pages(tmp_path, offer)
    said = HOSTILE.replace("\x00", "\ufffd")
    for page in pages.all.values():
        assert [image.get("src") for image in page.iter("img")] == [css(page, ".brand img")[0].get("src")]
        assert [bool(script.get("src")) for script in page.iter("script")] == [True]
    project = pages.project("a")
    where = (".lead bdi", ".about > dd > bdi", ".about a bdi", ".file bdi", ".notice bdi", ".comment bdi")
    assert [texts(project, selector) for selector in where] == [[said]] * len(where)
    assert texts(pages.project("bad"), ".reason bdi") == [said]
    assert texts(pages.page(), ".summary") == [said, said]
    assert [link.get("href") for link in css(project, ".about a")] == [
        "https://a.example.com/?q=%22",
        "../../simple/a/",
    ]
    assert css(project, ".about a")[0].get("rel") == "nofollow noopener noreferrer"


def test_a_link_says_which_host_it_leads_to(tmp_path: Path) -> None:
    about = About(
        urls=(
            ("example.com", "https://example.com@other.example.net/"),
            ("b", r"https://x.example.net\@y.example.com/"),
        )
    )
    page = Pages(tmp_path, Offer([file("a-1-py3-none-any.whl", about=about)])).project("a")
    assert texts(page, ".about dd small") == ["other.example.net", "x.example.net"]


@pytest.mark.parametrize(
    ("count", "said"),
    [(0, "0 B"), (999, "999 B"), (1_000, "1.0 kB"), (999_499, "999 kB"), (999_500, "1.0 MB"), (5 * 10**12, "5000 GB")],
)
def test_sizes_are_written_for_people(count: int, said: str) -> None:
    assert people.size(count) == said
