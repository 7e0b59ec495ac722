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
from scripts.project import Project

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


def _attribute(url: str) -> str:
    """Write a URL so that Caddy's `templates` sees no action in it."""
    return url.replace("[", "%5B").replace("]", "%5D")


def _known(offer: Offer) -> dict[str, object]:
    """Return what each page knows that is not a project's."""
    return {
        "offer": offer,
        "whole": project_view.scope(offer),
        "request_url": _attribute(offer.request_url),
        "example": project_view.example(offer.chains, offer.projects),
    }


def _write(template: str, path: Path, **values: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_environment().get_template(template).render(**values), encoding="utf-8")


def write_pages(offer: Offer, site: Path) -> None:
    """Write what says nothing of a project or a release: the page for what is not here, style and script."""
    for source in AS_IS:
        shutil.copyfile(_SOURCES / source, site / source)
    _write("not-here.html", site / "not-here.html", top=TOP, **_known(offer))


def write_project(project: Project, site: Path) -> None:
    """Write a project's page."""
    releases = project_view.releases(project.files)
    newest = project_view.newest(releases)
    _write(
        "project.html",
        site / "project" / project.name / "index.html",
        **(project._asdict() | {"why": project_view.why(project.chains)}),
        top="../../",
        whole=project.common.scope,
        request_url=_attribute(project.common.request_url),
        releases=releases,
        newest=newest,
        about=newest.files[0].distribution.about if newest else None,
        needs=project_view.needs(newest, project.states) if newest else [],
        only_sdist=newest and all(file.distribution.metadata is None for file in newest.files),
        rows=project_view.matrix(releases, project.common.scope) if newest else [],
    )


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
