"""A page of the Simple API in both forms -> problems: HTML and JSON must tell every client the same.

Both are read as clients read them, with pypi-simple, and HTML with the parser that pip has; what these do not tell is
read from the page as lxml parses it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from html.parser import HTMLParser
from typing import NamedTuple
from urllib.parse import urljoin

from lxml import html
from packaging.utils import canonicalize_name
from pypi_simple import DistributionPackage, Link

from scripts.facts import Json
from scripts.page import parse_page
from scripts.problem import Problem, Rule
from scripts.simple_json import API_VERSION

_TOP = "https://index.invalid/"
_JSON = "application/json"


class Forms(NamedTuple):
    """A page's folder, its JSON, its parsed HTML, and the files that a client finds in either."""

    folder: str
    page: Json
    document: html.HtmlElement
    in_json: list[DistributionPackage]
    in_html: list[DistributionPackage]

    @property
    def json_path(self) -> str:
        """Where the JSON form stands."""
        return f"{self.folder}/index.json"

    @property
    def html_path(self) -> str:
        """Where the HTML form stands."""
        return f"{self.folder}/index.html"

    @property
    def files(self) -> list[Json]:
        """The files' objects in JSON."""
        files = self.page["files"]
        assert isinstance(files, list)  # noqa: S101 (pypi-simple read them)
        return files


class _Anchors(HTMLParser):
    """Collects the anchors of a page, with their attributes and text.

    pypi-simple reads them from Beautiful Soup's tree, which takes five times as long to make.
    """

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[dict[str, str], list[str]]] = []
        self._text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "base":
            raise ValueError("links of a page with a base lead elsewhere")
        if tag == "a":
            self._text = []
            self.found.append(({name: value or "" for name, value in attrs}, self._text))

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._text = []

    def handle_data(self, data: str) -> None:
        self._text.append(data)


def _packages(name: str, data: bytes, url: str) -> Iterator[DistributionPackage]:
    """Yield the files that a project's page in HTML lists."""
    anchors = _Anchors()
    anchors.feed(data.decode("utf-8"))
    anchors.close()
    for attributes, text in anchors.found:
        if "href" in attributes:
            link = Link("".join(text).strip(), urljoin(url, attributes["href"]), dict(attributes))
            one = DistributionPackage.from_link(link, name)
            one.provenance_url = one.provenance_url and urljoin(url, one.provenance_url)
            yield one


def parse_html(data: bytes) -> html.HtmlElement:
    """Parse a page; raises ValueError where nothing is in it."""
    try:
        return html.document_fromstring(data, parser=html.HTMLParser(encoding="utf-8"))
    except html.etree.ParserError as error:
        raise ValueError(str(error)) from None


def read_forms(name: str, in_json: bytes, in_html: bytes) -> Forms | list[Problem]:
    """Read a project's page; what cannot be read is a problem."""
    folder, url = f"simple/{name}", f"{_TOP}simple/{name}/"
    path = f"{folder}/index.json"
    try:
        seen_in_json = parse_page(name, _JSON, in_json, url)
        path = f"{folder}/index.html"
        seen_in_html = list(_packages(name, in_html, url))
        return Forms(folder, json.loads(in_json), parse_html(in_html), list(seen_in_json.files), seen_in_html)
    except Exception:  # what the parsers raise for a page that is none is not documented
        return [Problem(Rule.FORMS, path, "is no page of the Simple API")]


def metas(document: html.HtmlElement) -> dict[str, str]:
    """Return what a page's head says, by name."""
    return {meta.get("name"): meta.get("content") for meta in document.iter("meta") if meta.get("name")}


def _version(path: str, document: html.HtmlElement) -> Iterator[Problem]:
    told = metas(document).get("pypi:repository-version")
    if told != API_VERSION:
        yield Problem(Rule.FORMS, path, f"its pypi:repository-version is {told}, and not {API_VERSION}")


def disagreements(forms: Forms) -> Iterator[Problem]:
    """Compare the two forms of a project's page, field by field."""
    yield from _version(forms.html_path, forms.document)
    yield from _status(forms)
    in_json, in_html = ({one.filename: one for one in files} for files in (forms.in_json, forms.in_html))
    yield from _twice(forms.json_path, (one.filename for one in forms.in_json))
    yield from _twice(forms.html_path, (one.filename for one in forms.in_html))
    for name in in_json.keys() - in_html.keys():
        yield Problem(Rule.FORMS, forms.html_path, f"does not list {name}, as index.json does")
    for name in in_html.keys() - in_json.keys():
        yield Problem(Rule.FORMS, forms.html_path, f"lists {name}, as index.json does not")
    for name in in_json.keys() & in_html.keys():
        yield from _fields(forms, name, _seen(in_json[name]), _seen(in_html[name]))
    for anchor in forms.document.iter("a"):
        yield from _two_names(forms, anchor)


def _twice(path: str, names: Iterable[str]) -> Iterator[Problem]:
    for name, count in Counter(names).items():
        if count > 1:
            yield Problem(Rule.FORMS, path, f"lists {name} {count} times")


def _status(forms: Forms) -> Iterator[Problem]:
    told = metas(forms.document)
    in_html = {"status": told.get("pypi:project-status"), "reason": told.get("pypi:project-status-reason")}
    status = forms.page.get("project-status")
    in_json = status if isinstance(status, dict) else {}
    for key, value in in_html.items():
        if value != in_json.get(key):
            fact = f"its project's {key} is {value}, and in index.json {in_json.get(key)}"
            yield Problem(Rule.FORMS, forms.html_path, fact)


def _seen(one: DistributionPackage) -> Mapping[str, object]:
    """Return what a client that reads either form knows of a file."""
    return {
        "URL": one.url.removeprefix(_TOP),
        "sha256": one.digests.get("sha256"),
        "requires-python": one.requires_python,
        "core-metadata": (one.metadata_digests or {}).get("sha256"),
        "yanked": (one.yanked_reason or True) if one.is_yanked else False,
        "provenance": one.provenance_url and one.provenance_url.removeprefix(_TOP),
    }


def _fields(forms: Forms, name: str, one: Mapping[str, object], other: Mapping[str, object]) -> Iterator[Problem]:
    for field, value in one.items():
        if other[field] != value:
            fact = f"{name}: its {field} is {other[field]}, and in index.json {value}"
            yield Problem(Rule.FORMS, forms.html_path, fact)


def _two_names(forms: Forms, anchor: html.HtmlElement) -> Iterator[Problem]:
    """Clients that are older than PEP 714 know the sidecar by its old name only."""
    new, old = anchor.get("data-core-metadata"), anchor.get("data-dist-info-metadata")
    if new != old:
        fact = f"{anchor.text_content()}: data-core-metadata is {new}, and data-dist-info-metadata {old}"
        yield Problem(Rule.FORMS, forms.html_path, fact)


def root_problems(in_json: bytes, in_html: bytes, names: Collection[str]) -> Iterator[Problem]:
    """Compare the page of all projects, in both forms, with the names that must stand on it."""
    path = "simple/index.json"
    try:
        page = json.loads(in_json)
        yield from _listed(path, [str(one["name"]) for one in page["projects"]], names)
        if page["meta"] != {"api-version": API_VERSION}:
            yield Problem(Rule.FORMS, path, f"its meta is {page['meta']}, and not the api-version {API_VERSION}")
    except (ValueError, TypeError, LookupError):
        yield Problem(Rule.FORMS, path, "is no page of the Simple API")
    path = "simple/index.html"
    try:
        document = parse_html(in_html)
    except ValueError:
        yield Problem(Rule.FORMS, path, "is no page of the Simple API")
        return
    yield from _version(path, document)
    anchors = [(anchor.text_content(), anchor.get("href")) for anchor in document.iter("a")]
    yield from _listed(path, [name for name, _ in anchors], names)
    for name, href in anchors:
        if href != f"{canonicalize_name(name)}/":
            yield Problem(Rule.FORMS, path, f"{name} leads to {href}, and not to {canonicalize_name(name)}/")


def _listed(path: str, listed: Collection[str], names: Collection[str]) -> Iterator[Problem]:
    for name in listed:
        if name != canonicalize_name(name):
            yield Problem(Rule.NAMES, path, f"lists {name}, which is not normalised: {canonicalize_name(name)}")
    found = set(map(canonicalize_name, listed))
    for name in found - set(names):
        yield Problem(Rule.LOCKS, path, f"lists {name}, which no lock names")
    for name in set(names) - found:
        yield Problem(Rule.LOCKS, path, f"does not list {name}, which the locks name")
    yield from _twice(path, map(canonicalize_name, listed))
