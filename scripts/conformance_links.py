"""A page in HTML -> where its links lead, and problems: each must lead to something that the release has."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Container, Iterable, Iterator
from urllib.parse import unquote, urlsplit

from lxml import etree, html
from lxml.html import defs

from scripts.held import PACKAGES
from scripts.people import TOP
from scripts.problem import Problem, Rule

Link = tuple[html.HtmlElement, str]
# What has links elsewhere than in one attribute.
_HAS_OTHERS = etree.XPath("boolean(//object | //param | //style | //*[@style] | //meta[@http-equiv])")
_FOREIGN = {"http", "https", "mailto"}


def _target(path: str, link: str) -> str | None:
    """Return the path that a link on a page leads to; None where it is not relative."""
    try:
        parts = urlsplit(link)
    except ValueError:
        return None
    if parts.scheme or parts.netloc or parts.path.startswith("/"):
        return None
    if not parts.path:
        return path
    target = posixpath.normpath(posixpath.join(posixpath.dirname(path), unquote(parts.path)))
    is_folder = parts.path.endswith(("/", "/.", "/..")) or parts.path in {".", ".."}
    return posixpath.normpath(posixpath.join(target, "index.html")) if is_folder else target


def _is_other_site(path: str, element: html.HtmlElement, link: str) -> bool:
    """Whether it is one of the links that people may follow elsewhere: a project's own sites, where to ask."""
    if path.startswith("simple/") or element.tag != "a" or "nofollow" not in element.get("rel", ""):
        return False
    return link.partition(":")[0] in _FOREIGN


def links_of(document: html.HtmlElement) -> list[Link]:
    """Return all links of a page, those of images and scripts too."""
    if _HAS_OTHERS(document):
        return [(element, link) for element, _, link, _ in document.iterlinks()]
    # The same in a tenth of the time: most elements have no attribute, and iterlinks looks for each that is a link.
    elements = document.iter(etree.Element)
    return [(one, link) for one in elements for name, link in one.items() if name in defs.link_attrs]


def link_problems(path: str, links: Iterable[Link], *known: Container[str]) -> Iterator[Problem]:
    """Name the links of a page that do not lead to anything known, and those that leave the index."""
    for element, link in links:
        if _is_other_site(path, element, link):
            continue
        target = _target(path, link.removeprefix(TOP))
        if target is None:
            yield Problem(Rule.LINKS, path, f"links {link}, which leads away")
        elif not any(target in paths for paths in known):
            yield Problem(Rule.LINKS, path, f"links {link}, which is not there")


def file_problems(path: str, links: Iterable[Link], files: Collection[str]) -> Iterator[Problem]:
    """Compare the files that a project's page for people links with those that it should."""
    targets = {_target(path, link) or "" for _, link in links}
    linked = {target.removeprefix(f"{PACKAGES}/") for target in targets if target.startswith(f"{PACKAGES}/")}
    linked = {name for name in linked if not name.endswith(".metadata")}
    for name in linked - set(files):
        yield Problem(Rule.LOCKS, path, f"links {name}, which is no file of the project")
    for name in set(files) - linked:
        yield Problem(Rule.LOCKS, path, f"does not link {name}")
