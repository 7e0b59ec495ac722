"""File names -> what a release offers: files that nobody has to fetch, for tests of the pages alone."""

from __future__ import annotations

from typing import Any

from scripts.distribution import Distribution, parse_filename
from scripts.list_files import File
from scripts.offer import Offer


def file(filename: str, **told: Any) -> File:
    """Return a file of that name; told are further fields of its Distribution."""
    name, version = parse_filename(filename)
    return File(Distribution(filename, name, version, "0" * 64, 1, None)._replace(**told))


def offer(*files: File | str) -> Offer:
    """Return an offer of files, some of them by their names alone."""
    return Offer([one if isinstance(one, File) else file(one) for one in files])
