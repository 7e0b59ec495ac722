"""An index page -> the links that a target may take: what its file names rule out is left unread.

pip reads every link of a page before it judges it, and a page has some hundred files for each that fits a target. The
links that are left are for pip to judge; all of them are read where an error has to tell what there is instead.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any
from urllib.parse import unquote

from pip._internal.index import collector
from pip._internal.index.collector import IndexContent
from pip._internal.index.package_finder import LinkEvaluator
from pip._internal.models.link import Link
from pip._internal.models.target_python import TargetPython
from pip._vendor.packaging.tags import parse_tag

_JSON = "application/vnd.pypi.simple.v1+json"


def _is_json(page: IndexContent) -> bool:
    return page.content_type.lower().startswith(_JSON)


@cache
def _accepts(target: TargetPython, tags: str) -> bool:
    """Whether a target takes wheels of a file name's compressed tags, such as `py2.py3-none-any` (PEP 425)."""
    try:
        return not target.get_unsorted_tags().isdisjoint(parse_tag(tags))
    except ValueError:  # for pip to judge
        return True


def _filename(url: str) -> str:
    name = url.partition("#")[0].partition("?")[0].rstrip("/").rpartition("/")[2]
    return unquote(name) if "%" in name else name


def _may_fit(evaluator: Any, file: Any) -> bool:
    """Whether pip has to judge a file; what is no wheel is for sdists alone."""
    stem, is_wheel, _ = _filename(file.get("url") or "").partition(".whl")
    if not is_wheel:
        return "source" in evaluator._formats
    return _accepts(evaluator._target_python, "-".join(stem.rsplit("-", 3)[1:]))


def promising(page: IndexContent, evaluator: LinkEvaluator) -> Iterable[Link]:
    """List the links of a page that pip has to judge for a target; an HTML page has no cheap look at its files."""
    return _links(page, evaluator) if _is_json(page) else collector.parse_links(page)


def _links(page: IndexContent, evaluator: LinkEvaluator) -> Iterator[Link]:
    for file in json.loads(page.content).get("files", []):
        if _may_fit(evaluator, file) and (link := Link.from_json(file, page.url)):
            yield link
