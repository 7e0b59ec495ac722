"""dumb-pypi's pages, JSON pages -> simple/index.html, simple/<project>/index.html: the Simple API for older clients.

dumb-pypi renders the projects' pages (PEP 503). What it does not write is added to its parsed pages: the API version
(PEP 629), the project's status (PEP 792), the sidecar under the name that clients had for it before PEP 714, yanks
without a reason (PEP 592), provenance (PEP 740) and the pages of projects without files. Its script and styles go,
since no strict Content-Security-Policy lets them work. What a page links must be what its JSON twin says, or nothing is
built.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from lxml import etree, html

from scripts.facts import Json
from scripts.simple_json import API_VERSION, root_page, write_json

_DOCTYPE = "<!DOCTYPE html>"
_EMPTY = f"{_DOCTYPE}<html><head><title>{{0}}</title></head><body><h1>{{0}}</h1></body></html>"


def complete_pages(made: Path, pages: Mapping[str, Json], simple: Path) -> list[str]:
    """Complete the projects' pages that dumb-pypi made, and write them below simple; returns what only one form names.

    pages are the projects' JSON pages, by name. dumb-pypi skips what it cannot parse and puts files on other pages.
    """
    strangers = {path.parent.name for path in made.glob("*/index.html")} - set(pages)
    differences = [name for project in strangers for name in _linked(made / project / "index.html")]
    for name, page in pages.items():
        differences += _complete_project(made / name / "index.html", page, simple / name / "index.html")
    return sorted(set(differences))


def write_root(simple: Path, names: Collection[str]) -> None:
    """Write the page of all projects, in both forms; dumb-pypi's links end in index.html, past any negotiation."""
    document = html.document_fromstring(_EMPTY.format("Simple index"))
    projects = etree.SubElement(document.body, "ul")
    for name in names:
        item = etree.SubElement(projects, "li")
        item.tail = "\n"
        etree.SubElement(item, "a", href=f"{name}/").text = name
    _write(document, simple / "index.html", {"pypi:repository-version": API_VERSION})
    write_json(simple / "index.json", root_page(names))


def _parse(path: Path, title: str) -> html.HtmlElement:
    """Parse a page of dumb-pypi's, or an empty one where it wrote none."""
    text = path.read_bytes() if path.is_file() else _EMPTY.format(title).encode()
    return html.document_fromstring(text, parser=html.HTMLParser(encoding="utf-8"))


def _linked(path: Path) -> list[str]:
    return [anchor.text_content() for anchor in _parse(path, "").iter("a")]


def _write(document: html.HtmlElement, path: Path, meta: Mapping[str, str]) -> None:
    """Write a page with a strict policy's needs met, and what meta says at the beginning of its head."""
    for script in list(document.iter("script")):
        script.drop_tree()
    for element in document.iterfind(".//*[@style]"):
        del element.attrib["style"]
    tags = [html.Element("meta", charset="utf-8")]
    tags += [html.Element("meta", name=name, content=content) for name, content in meta.items()]
    for place, tag in enumerate(tags):
        tag.tail = "\n"
        document.head.insert(place, tag)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(html.tostring(document, doctype=_DOCTYPE, encoding="utf-8") + b"\n")


def _complete_project(made: Path, page: Json, path: Path) -> list[str]:
    document = _parse(made, str(page["name"]))
    files = {str(file["filename"]): file for file in _files(page)}
    seen = set()
    for anchor in document.iter("a"):
        filename = anchor.text_content()
        file = files.get(filename, {})
        seen.add((filename, anchor.get("href")))
        for attribute, value in _attributes(file):
            anchor.set(attribute, value)
    _write(document, path, {"pypi:repository-version": API_VERSION} | dict(_status(page)))
    promised = {(filename, f"{file['url']}#sha256={_digest(file, 'hashes')}") for filename, file in files.items()}
    return [filename for filename, _ in seen ^ promised]


def _files(page: Json) -> list[Json]:
    files = page["files"]
    assert isinstance(files, list)  # noqa: S101 (we made it)
    return files


def _digest(file: Json, key: str) -> str:
    digests = file.get(key)
    return str(digests["sha256"]) if isinstance(digests, dict) else ""


def _attributes(file: Json) -> Iterator[tuple[str, str]]:
    """Yield what dumb-pypi leaves out of a file's anchor."""
    if sidecar := _digest(file, "core-metadata"):
        yield "data-core-metadata", f"sha256={sidecar}"
        yield "data-dist-info-metadata", f"sha256={sidecar}"
    if yanked := file.get("yanked"):
        yield "data-yanked", yanked if isinstance(yanked, str) else ""
    if provenance := file.get("provenance"):
        yield "data-provenance", str(provenance)


def _status(page: Json) -> Iterator[tuple[str, str]]:
    status = page["project-status"]
    assert isinstance(status, dict)  # noqa: S101 (we made it)
    yield "pypi:project-status", status["status"]
    if "reason" in status:
        yield "pypi:project-status-reason", status["reason"]
