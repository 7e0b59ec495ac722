"""A page of the Simple API (PEP 691's JSON, or PEP 503's HTML) -> the files that it lists, and the project's status."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any, NamedTuple
from urllib.parse import urljoin

from pypi_simple import DistributionPackage, ProjectPage

from scripts.facts import Status, checked_status


class Page(NamedTuple):
    """A project's page: its files, and the project's status."""

    files: list[DistributionPackage]
    status: Status


def _narrowed(files: list[dict[str, Any]], wanted: Collection[str]) -> list[dict[str, Any]]:
    """Keep the wanted files where all are there: a page has hundreds of others, and to read them all takes longest."""
    digests = [file["hashes"].get("sha256", "").lower() for file in files]
    if not wanted or not set(wanted) <= set(digests):
        return files
    return [file for file, digest in zip(files, digests, strict=True) if digest in wanted]


def parse_page(project: str, content_type: str, data: bytes, url: str, wanted: Collection[str] = ()) -> Page:
    """Read a page of the Simple API; raises whatever a parser raises for what is none."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind.endswith("json"):
        parsed = json.loads(data.decode("utf-8"))
        status = checked_status(parsed.pop("project-status", None))
        parsed["files"] = _narrowed(parsed["files"], wanted)
        for file in parsed["files"]:
            if file.get("provenance"):  # in plain files it is relative, which pypi-simple refuses
                file["provenance"] = urljoin(url, file["provenance"])
        return Page(ProjectPage.from_json_data(parsed, url).packages, status)
    if kind not in {"text/html", "application/vnd.pypi.simple.v1+html"}:
        raise ValueError(kind)
    page = ProjectPage.from_html(project, data.decode("utf-8"), url)
    for file in page.packages:
        file.provenance_url = file.provenance_url and urljoin(url, file.provenance_url)
    return Page(page.packages, checked_status({"status": page.status, "reason": page.status_reason}))
