"""What is offered, web/ -> index.html, project/, changes/, not-here.html: the pages for people.

Sources are jinja templates, one stylesheet and one script, which the pages do without where it does not run.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import jinja2

from scripts import CODE
from scripts.history import Entry
from scripts.offer import Offer

_SOURCES = CODE / "web"


def _templates() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_SOURCES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def write_pages(offer: Offer, site: Path) -> None:
    """Write the pages that say nothing of the release they are in: each project's, and the one for what is not here."""
    for source in ("style.css",):
        shutil.copyfile(_SOURCES / source, site / source)


def write_release_pages(offer: Offer, site: Path, history: Sequence[Entry]) -> None:
    """Write the front page and what changed; history begins with the release that they are in."""
    page = _templates().get_template("index.html").render(offer=offer, release=history[0])
    (site / "index.html").write_text(page, encoding="utf-8")
