"""web/: the pages for people in a real Chromium, behind the real Caddy with its Content-Security-Policy."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, cast

import pytest
from browser_offers import RELEASE, TIME, company, company_history, file
from browser_site import CHROMIUM, launch, served_offer
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Dialog, Page, expect, sync_playwright

from scripts.core_metadata import About
from scripts.facts import Facts, Status
from scripts.history import Entry
from scripts.offer import Offer
from scripts.why import Chain

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium")

PAGES = ("", "project/flask/", "project/six/", "project/python-jwt/", "changes/", "project/flaks/", "nothing/here")
# Chromium tells the console of the status of a page that is not there, too.
_NOT_FOUND = "Failed to load resource: the server responded with a status of 404 (Not Found)"
_CONTRAST = Path(__file__).with_name("browser_contrast.js").read_text()


class Reader:
    """A person with a browser. What went wrong on any page is kept in problems."""

    def __init__(self, browser: Browser, url: str, **options: Any) -> None:
        self.url = url
        self.problems: list[str] = []
        self.context: BrowserContext = browser.new_context(**options)
        self.page: Page = self.context.new_page()
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("dialog", self._dismiss)
        self.context.on("request", lambda request: self._watch(request.url))

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and message.text != _NOT_FOUND:
            self.problems.append(message.text)

    def _dismiss(self, dialog: Dialog) -> None:
        self.problems.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _watch(self, url: str) -> None:
        if not url.startswith((self.url, "http://pypi.test:")):
            self.problems.append(url)

    def open(self, path: str = "", until: Literal["load", "networkidle"] = "load") -> Page:
        """Open a page; until says for what to wait: for its script to run, or to have asked for names, too."""
        self.page.goto(self.url + path, wait_until=until)
        return self.page


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright, launch(playwright) as running:
        yield running


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served_offer(company(), tmp_path_factory.mktemp("browser"), company_history()) as running:
        yield running


@pytest.fixture
def options(request: pytest.FixtureRequest) -> dict[str, Any]:
    """What a test asks of the browser, with `@pytest.mark.parametrize("options", …)`."""
    return cast("dict[str, Any]", getattr(request, "param", {}))


@pytest.fixture
def reader(browser: Browser, url: str, options: dict[str, Any]) -> Iterator[Reader]:
    one = Reader(browser, url, **options)
    yield one
    one.context.close()
    assert one.problems == []


def given(**options: Any) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("options", [options], indirect=True, ids=[""])


def names(page: Page) -> list[str]:
    """Return the projects that a person sees in the list."""
    return page.locator(".projects li:visible > a").all_text_contents()


# Every page


@pytest.mark.parametrize("path", PAGES)
def test_the_policy_blocks_nothing_and_the_console_is_silent(reader: Reader, path: str) -> None:
    page = reader.open(path, until="networkidle")
    assert page.locator("h1").count() == 1


@given(viewport={"width": 360, "height": 740})
def test_no_page_is_wider_than_a_phone(reader: Reader) -> None:
    for path in PAGES:
        page = reader.open(path)
        for fold in page.locator("summary").all():
            fold.click()
        assert page.evaluate("document.documentElement.scrollWidth") == 360, path


@pytest.mark.parametrize("options", [{"color_scheme": "light"}, {"color_scheme": "dark"}], indirect=True)
def test_text_stands_out_from_what_is_behind_it(reader: Reader) -> None:
    for path in PAGES:
        assert reader.open(path).evaluate(_CONTRAST) == [], path


def test_dark_and_light_follow_the_system(reader: Reader) -> None:
    page = reader.open()
    found = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=cast("Any", scheme))
        found.append(
            page.evaluate("[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]")
        )
    assert found == [["rgb(252, 252, 250)", "rgb(28, 32, 36)"], ["rgb(21, 24, 27)", "rgb(231, 232, 228)"]]


# The front page


def test_the_search_finds_names_and_summaries_the_nearest_names_first(reader: Reader) -> None:
    page = reader.open()
    page.fill("#find", "py")
    begins = ["pydantic", "pydantic-core", "pygments", "python-dateutil", "python-jwt", "pyyaml"]
    assert names(page)[:8] == [*begins, "markdown-it-py", "numpy"]
    page.fill("#find", "Typing_Extensions")
    assert names(page) == ["typing-extensions"]
    page.fill("#find", "http")
    assert names(page) == ["requests", "urllib3"]
    expect(page.locator("#found")).to_have_text("2 matches")
    page.fill("#find", "data analysis")
    assert names(page) == ["pandas"]
    expect(page.locator("#found")).to_have_text("1 match")
    page.fill("#find", "forgeable")
    assert names(page) == ["python-jwt"]
    page.fill("#find", "no such thing")
    assert names(page) == []
    expect(page.locator("#found")).to_have_text("0 matches")


def test_of_very_many_projects_the_first_fifty_matches_are_shown(browser: Browser, tmp_path: Path) -> None:
    offer = Offer([file(f"p{number}-1-py3-none-any.whl") for number in range(120)])
    with served_offer(offer, tmp_path) as url:
        reader = Reader(browser, url)
        page = reader.open()
        page.fill("#find", "p1")
        expect(page.locator("#found")).to_have_text("31 matches")
        page.fill("#find", "p")
        expect(page.locator("#found")).to_have_text("120 matches; the first 50 are shown")
        assert len(names(page)) == 50
        page.fill("#find", "")
        expect(page.locator("#found")).to_have_text("120 projects")
        assert page.locator("#all li").count() == 120
        reader.context.close()
    assert reader.problems == []


def test_the_search_works_by_keyboard_alone(reader: Reader) -> None:
    page = reader.open()
    page.keyboard.press("/")
    expect(page.locator("#find")).to_be_focused()
    page.keyboard.type("jinja/")  # in the field, a slash is a slash
    expect(page.locator("#find")).to_have_value("jinja/")
    page.keyboard.press("Escape")
    expect(page.locator("#find")).to_have_value("")
    expect(page.locator("#found")).to_have_text("29 projects, 1 denied name")
    assert len(names(page)) == 30
    page.keyboard.type("jinja")
    page.keyboard.press("Enter")
    page.wait_for_url("**/project/jinja2/")
    page.keyboard.press("/")
    page.wait_for_url("**/#find")
    expect(page.locator("#find")).to_be_focused()


def test_the_content_is_one_key_away_and_the_clients_are_arrow_keys_apart(reader: Reader) -> None:
    page = reader.open()
    page.keyboard.press("Tab")
    skip = page.locator(".skip")
    expect(skip).to_be_focused()
    box = skip.bounding_box()
    assert box is not None
    assert box["width"] > 100
    page.locator("#use-pip").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#use-uv")).to_be_checked()
    assert page.locator(".panel:visible").get_attribute("aria-label") == "uv"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Copy"
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert page.evaluate(outline) == "solid"


def test_what_matches_is_said_to_a_screen_reader_and_every_control_has_a_name(reader: Reader) -> None:
    page = reader.open()
    expect(page.get_by_role("searchbox", name="Search names and summaries")).to_be_visible()
    expect(page.get_by_role("status")).to_have_text("29 projects, 1 denied name")
    expect(page.get_by_role("radio", name="Poetry")).to_have_count(1)
    expect(page.get_by_role("group", name="pip", exact=True).get_by_role("button", name="Copy")).to_have_count(3)


def test_the_commands_hold_the_url_of_this_index(reader: Reader, url: str) -> None:
    page = reader.open()
    commands = page.locator(".panel:visible pre").all_text_contents()
    assert commands[:2] == [
        f"pip install --index-url {url}simple/ flask",
        f"pip config set global.index-url {url}simple/",
    ]
    assert page.locator("#by-hand").count() == 0
    assert "example.com" not in "".join(page.locator("#set-up pre").all_text_contents())
    page = reader.open("project/rich/")
    assert page.locator("aside pre").text_content() == f"pip install --index-url {url}simple/ rich"


def test_where_it_comes_by_plain_http_from_elsewhere_the_commands_say_what_that_takes(reader: Reader, url: str) -> None:
    elsewhere = url.replace("127.0.0.1", "pypi.test")
    page = reader.page
    page.goto(elsewhere)
    found = dict(
        zip(page.locator(".panel").evaluate_all("all => all.map((one) => one.ariaLabel)"), _panels(page), strict=True)
    )
    index = f"{elsewhere}simple/"
    assert found["pip"] == [
        f"pip install --index-url {index} --trusted-host pypi.test flask",
        f"pip config set global.index-url {index}\npip config set global.trusted-host pypi.test",
        f"export PIP_INDEX_URL={index}\nexport PIP_TRUSTED_HOST=pypi.test",
    ]
    assert found["PDM"][0].endswith("verify_ssl = false")
    assert found["Pipenv"][0].endswith("verify_ssl = false")
    assert found["uv"][2] == f"export UV_DEFAULT_INDEX={index}"
    assert found["conda"][0].splitlines()[-3:] == [
        f"      - --index-url {index}",
        "      - --trusted-host pypi.test",
        "      - flask",
    ]


def _panels(page: Page) -> list[list[str]]:
    return [panel.locator("pre").all_text_contents() for panel in page.locator(".panel").all()]


@given(permissions=["clipboard-read", "clipboard-write"])
def test_a_button_copies_a_command(reader: Reader, url: str) -> None:
    page = reader.open()
    page.locator("label[for=use-uv]").click()
    button = page.locator(".panel:visible figure:first-of-type button")
    button.click()
    expect(button).to_have_text("Copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == f'[[tool.uv.index]]\nurl = "{url}simple/"\ndefault = true'
    expect(button).to_have_text("Copy", timeout=5000)


def test_it_copies_where_the_clipboard_is_only_for_secure_pages_too(reader: Reader, url: str) -> None:
    page = reader.page
    page.goto(url.replace("127.0.0.1", "pypi.test") + "project/rich/")
    assert page.evaluate("isSecureContext") is False
    page.locator("aside button").click()
    expect(page.locator("aside button")).to_have_text("Copied")
    assert page.evaluate("String(getSelection())") == page.locator("aside pre").text_content()


@pytest.mark.parametrize(
    ("now", "said"),
    [
        ("2026-11-22T13:01:40Z", "just now, 2026-11-22 13:01 UTC"),
        ("2026-11-22T13:43:10Z", "42 minutes ago, 2026-11-22 13:01 UTC"),
        ("2026-11-22T14:01:10Z", "1 hour ago, 2026-11-22 13:01 UTC"),
        ("2027-01-21T13:01:10Z", "60 days ago, 2026-11-22 13:01 UTC"),
    ],
)
def test_it_says_how_old_the_release_is(reader: Reader, now: str, said: str) -> None:
    reader.page.clock.set_fixed_time(now)
    page = reader.open()
    assert page.locator(".facts small:has(time)").text_content() == f"published {said}"


@given(java_script_enabled=False)
def test_without_script_everything_is_there(reader: Reader) -> None:
    page = reader.open()
    assert len(names(page)) == 30
    expect(page.locator("#search")).to_be_hidden()
    expect(page.locator("#by-hand")).to_be_visible()
    expect(page.locator(".facts small:has(time)")).to_have_text("published 2026-11-22 13:01 UTC")
    assert page.locator("button").count() == 0
    page.get_by_text("Pipenv", exact=True).click()
    assert page.locator(".panel:visible").get_attribute("aria-label") == "Pipenv"
    page.get_by_role("link", name="flask", exact=True).click()
    page.get_by_text("With extras: 2 more").click()
    expect(page.get_by_text("python-dotenv")).to_be_visible()
    reader.open("project/flaks/")
    expect(page.locator("#near")).to_be_hidden()
    page.get_by_role("link", name="all projects that are here").click()
    assert page.url == f"{reader.url}#projects"


# A project's page


def test_the_matrix_leads_to_the_file_also_in_a_version_that_is_folded_up(reader: Reader) -> None:
    page = reader.open("project/flask/")
    folded = page.locator("[id='flask-3.0.3-py3-none-any.whl']")
    expect(folded).to_be_hidden()
    page.locator("td a", has_text="3.0.3").first.click()
    expect(folded).to_be_visible()
    expect(folded).to_be_in_viewport()


@given(viewport={"width": 360, "height": 740})
def test_a_wide_matrix_scrolls_in_its_own_frame_by_keyboard(reader: Reader) -> None:
    page = reader.open("project/flask/")
    frame = page.get_by_role("region", name="What is served where").nth(1)
    frame.focus()
    page.keyboard.press("ArrowRight")
    expect(frame).not_to_have_js_property("scrollLeft", 0)


def test_a_hash_is_selected_whole(reader: Reader) -> None:
    page = reader.open("project/rich/")
    page.locator(".hash").click()
    assert page.evaluate("String(getSelection())") == company().projects["rich"][0].distribution.sha256


# What is not here


@pytest.mark.parametrize(
    ("asked", "near"),
    [
        ("flaks", ["flask"]),
        ("request", ["requests"]),
        ("pydantic_corre", ["pydantic-core", "pydantic"]),
        ("yaml", ["pyyaml"]),
        ("python-jwts", []),  # python-jwt is denied
        ("zope.interface", []),
    ],
)
def test_near_names_are_listed(reader: Reader, asked: str, near: list[str]) -> None:
    page = reader.open(f"project/{asked}/", until="networkidle")
    expect(page.locator("h1")).to_have_text(f"{asked} is not here")
    assert page.locator("#near li:visible").all_text_contents() == near
    ask = page.get_by_role("link", name=f"Ask for {asked}")
    assert ask.get_attribute("href") == "https://git.example.com/platform/pypi/issues/new"


def test_a_near_name_leads_to_its_page(reader: Reader) -> None:
    page = reader.open("project/flaks/")
    page.get_by_role("link", name="flask", exact=True).click()
    expect(page.locator("h1")).to_have_text("flask 3.1.3")


def test_what_is_no_project_is_no_such_page(reader: Reader) -> None:
    page = reader.open("nothing/here/at/all")
    expect(page.locator("h1")).to_have_text("There is no such page")
    page.get_by_role("link", name="all projects that are here").click()
    assert page.url == f"{reader.url}#projects"


@pytest.mark.parametrize(
    "path", ["project/<script>alert(1)<%2Fscript>/", "project/[[env `PATH`]]/", 'project/"onload="x/']
)
def test_an_address_is_no_markup_and_no_action(reader: Reader, path: str) -> None:
    page = reader.open(path)
    expect(page.locator("h1")).to_have_text("There is no such page")
    assert os.environ["PATH"] not in page.content()
    assert page.locator("script").count() == 1


# Hostile packages

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'><svg/onload=alert(1)>",
    "javascript:alert(1)",
    "</title></style></textarea><script src=//evil.example.com/x.js></script>",
    "{{7*7}} {% raw %} [[env `PATH`]] ${7*7}",
    "<meta http-equiv=refresh content=0;url=//evil.example.com>",
    "<a href=javascript:alert(1) autofocus onfocus=alert(1)>x</a>",
    "\u202egnp.exe\u2066\u0000\u001b[2J",
    "W" * 400,
)


def hostile_offer() -> Offer:
    """Return an offer in which every text that somebody else wrote attacks the reader."""
    files, statuses, denied, chains = [], {}, {}, {}
    for number, text in enumerate(HOSTILE):
        name = f"p{number}"
        urls = ((text, "https://evil.example.com/?<script>alert(1)</script>"), ("Site", "javascript:alert(1)"))
        about = About(text, text, (*urls, (text, "data:text/html,<script>alert(1)</script>")))
        files.append(file(f"{name}-2-py3-none-any.whl", about=about, requires=[f'x; python_version != "<b>{number}"']))
        # What the upstream says of a file or a project has come through here.
        printable = "".join(char for char in text if char.isprintable())
        files.append(file(f"{name}-1-py3-none-any.whl", about=about, facts=Facts(yanked=printable)))
        statuses[name] = Status("deprecated", printable)
        denied[f"denied{number}"] = printable
        asked = f'{name}==2; platform_version != "<script>alert(1)</script>"'
        chains[name] = [Chain("requirements", (name, "<b>"), f"<i>{text}", asked, text)]
    return Offer(files, statuses, denied, chains, 'https://ask.example.com/?"><script>alert(1)</script>[[env `PATH`]]')


def test_nothing_that_a_package_says_is_executed(browser: Browser, tmp_path: Path) -> None:
    history = [Entry(RELEASE, TIME, ())]
    with served_offer(hostile_offer(), tmp_path, history) as url:
        reader = Reader(browser, url, viewport={"width": 360, "height": 740})
        for path in ("", *(f"project/{name}/" for name in hostile_offer().projects), "project/p/", "changes/"):
            page = reader.open(path)
            found = page.evaluate(
                "['script', 'img', 'svg, iframe, b b, i, meta[http-equiv], [onerror], [onload], [onfocus]']"
                ".map((one) => document.querySelectorAll(one).length).concat(document.documentElement.scrollWidth)"
            )
            assert (path, found) == (path, [1, 1, 0, 360])
            links = page.locator("a").evaluate_all("all => all.map((link) => link.protocol)")
            assert set(links) <= {"http:", "https:"}
            assert os.environ["PATH"] not in page.content()
        for path in ("simple/", "simple/p0/", "simple/denied0/"):
            assert (path, reader.open(path).locator("script, img, svg, [style]").count()) == (path, 0)
        page = reader.open()
        page.fill("#find", "<script>alert")
        assert names(page)[:2] == ["denied0", "p0"]
        assert page.locator("script").count() == 1
        page.wait_for_timeout(200)
        reader.context.close()
    assert reader.problems == []


def test_near_names_of_a_page_that_lies_are_text(reader: Reader) -> None:
    lie = json.dumps({"projects": [{"name": "<img src=x onerror=alert(1)>flaks"}, {"name": "../../flask"}]})
    reader.page.route("**/simple/index.json", lambda route: route.fulfill(body=lie))
    page = reader.open("project/flaks/", until="networkidle")
    assert page.locator("#near img").count() == 0
    links = page.locator("#near a").evaluate_all("all => all.map((link) => link.pathname)")
    assert all(link.startswith("/project/") for link in links)
