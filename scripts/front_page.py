"""files.jsonl, web/ -> index.html, style.css: the page for a person who opens the index in a browser."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import jinja2
from packaging.version import Version

from scripts import CODE
from scripts.distribution import parse_filename

_SOURCES = CODE / "web"


class _Project(NamedTuple):
    name: str
    versions: list[Version]
    files: int


def _projects(listing: str) -> Iterator[_Project]:
    """Yield each project with its versions, newest first, and the number of its files."""
    found: dict[str, list[Version]] = {}
    for line in listing.splitlines():
        name, version = parse_filename(json.loads(line)["filename"])
        found.setdefault(name, []).append(version)
    for project, versions in sorted(found.items()):
        yield _Project(project, sorted(set(versions), reverse=True), len(versions))


def write_front_page(listing: str, site: Path) -> None:
    """Write the front page of what listing, the text of `files.jsonl`, names. It holds no script."""
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_SOURCES), autoescape=True, undefined=jinja2.StrictUndefined
    )
    projects = list(_projects(listing))
    page = templates.get_template("index.html").render(projects=projects, files=sum(one.files for one in projects))
    (site / "index.html").write_text(page, encoding="utf-8")
    shutil.copyfile(_SOURCES / "style.css", site / "style.css")
