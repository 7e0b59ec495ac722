"""scripts/page.py: how much of an upstream's page is read, once it is known which files are wanted."""

from __future__ import annotations

import json
from typing import Any

import pytest
from upstream import JSON

from scripts.page import parse_page

URL = "http://localhost/simple/alpha/"
DIGESTS = {f"alpha-{number}-py3-none-any.whl": character * 64 for number, character in zip("1234", "AbcB", strict=True)}
ALL = list(DIGESTS)


def page(**more: Any) -> bytes:
    """Return a page with two digests in capitals, the second file under two names, and a file without a digest."""
    files = [{"filename": name, "url": name, "hashes": {"sha256": digest}} for name, digest in DIGESTS.items()]
    no_digest = {"filename": "alpha-5-py3-none-any.whl", "url": "5", "hashes": {}}
    return json.dumps({"meta": {"api-version": "1.0"}, "name": "alpha", "files": [*files, no_digest], **more}).encode()


@pytest.mark.parametrize(
    ("wanted", "read"),
    [
        ("", [*ALL, "alpha-5-py3-none-any.whl"]),
        ("a", ALL[:1]),
        ("b", [ALL[1], ALL[3]]),
        ("ac", [ALL[0], ALL[2]]),
        # What is not there has to be told from what is.
        ("ad", [*ALL, "alpha-5-py3-none-any.whl"]),
    ],
)
def test_where_all_wanted_files_are_listed_no_others_are_read(wanted: str, read: list[str]) -> None:
    found = parse_page("alpha", JSON, page(), URL, {character * 64 for character in wanted})
    assert [file.filename for file in found.files] == read
    assert found.status.status == "active"


def test_the_status_is_read_whatever_is_wanted() -> None:
    data = page(**{"project-status": {"status": "quarantined", "reason": "evil"}})
    found = parse_page("alpha", JSON, data, URL, {"a" * 64})
    assert (found.status.status, found.status.reason) == ("quarantined", "evil")
