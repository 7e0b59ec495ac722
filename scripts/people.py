"""What is offered, web/ -> index.html, project/, changes/, not-here.html: the pages for people.

Sources are jinja templates, one stylesheet and one script, which the pages do without where it does not run. Every
link is relative. All that a package says is untrusted: it is escaped, it is set apart from the text around it (`bdi`),
and no page holds anything inline that the Content-Security-Policy would have to let run.
"""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import jinja2

from scripts import CODE, project_view, target_names
from scripts.history import Entry
from scripts.list_files import File
from scripts.offer import Offer
from scripts.project_view import Scope

_SOURCES = CODE / "web"
AS_IS = ("style.css", "site.js", "favicon.svg")
# What Caddy's `templates` fills in: a page for what is not here is asked for at any depth.
TOP = "[[placeholder `http.vars.top`]]"
_CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def _visible(value: object) -> object:
    """Replace what HTML cannot hold in a text that a template prints; what is Markup has been here before."""
    return _CONTROLS.sub("\ufffd", value) if type(value) is str else value


def size(count: int) -> str:
    """Write a number of bytes as `1.2 MB`."""
    amount, unit = float(count), "B"
    for larger in ("kB", "MB", "GB"):
        if amount < 999.5:
            break
        amount, unit = amount / 1000, larger
    return f"{amount:.0f} {unit}" if amount >= 99.5 or unit == "B" else f"{amount:.1f} {unit}"


def count(number: int, noun: str) -> str:
    """Write a number of things, such as `1 file` or `1,200 files`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def utc(time: str) -> str:
    """Write a time of PEP 700 for people: `2026-11-22 13:01 UTC`."""
    return f"{time[:10]} {time[11:16]} UTC"


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_SOURCES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"size": size, "count": count, "utc": utc}
    environment.filters |= {"served_on": target_names.served_on, "links": project_view.links}
    return environment


def _known(offer: Offer) -> dict[str, object]:
    """Return what every page knows."""
    return {
        "offer": offer,
        "whole": project_view.scope(offer),
        "request_url": offer.request_url.replace("[", "%5B").replace("]", "%5D"),
        "example": project_view.example(offer.chains, offer.projects),
    }


def _write(template: str, path: Path, **values: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_environment().get_template(template).render(**values), encoding="utf-8")


def write_pages(offer: Offer, site: Path) -> None:
    """Write the pages that say nothing of the release they are in: each project's, and the one for what is not here."""
    for source in AS_IS:
        shutil.copyfile(_SOURCES / source, site / source)
    known = _known(offer)
    _write("not-here.html", site / "not-here.html", top=TOP, **known)
    whole = project_view.scope(offer)
    for name, files in offer.projects.items():
        path = site / "project" / name / "index.html"
        _write("project.html", path, top="../../", name=name, **known, **_project(offer, name, files, whole))


def _project(offer: Offer, name: str, files: Sequence[File], whole: Scope) -> dict[str, object]:
    releases = project_view.releases(files)
    newest = project_view.newest(releases)
    return {
        "status": offer.status(name),
        "releases": releases,
        "newest": newest,
        "about": newest.files[0].distribution.about if newest else None,
        "needs": project_view.needs(newest, offer) if newest else [],
        "only_sdist": newest and all(file.distribution.metadata is None for file in newest.files),
        "rows": project_view.matrix(releases, whole) if newest else [],
        "why": project_view.why(offer.chains.get(name, ())),
    }


def write_release_pages(offer: Offer, site: Path, history: Sequence[Entry]) -> None:
    """Write the front page and what changed; history begins with the release that they are in."""
    known = _known(offer)
    rows = [(name, offer.status(name), _newest(files)) for name, files in offer.projects.items()]
    _write(
        "index.html",
        site / "index.html",
        top="",
        **known,
        release=history[0],
        kinds=Counter(change.kind for change in history[0].changes),
        rows=rows,
        projects=sum(file is not None for _, _, file in rows),
        bytes=sum(file.distribution.size for file in offer.files),
    )
    _write("changes.html", site / "changes" / "index.html", top="../", history=history, **known)


def _newest(files: Sequence[File]) -> File | None:
    newest = project_view.newest(project_view.releases(files))
    return newest.files[0] if newest else None
