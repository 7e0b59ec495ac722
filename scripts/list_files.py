"""Verified files -> files.jsonl: one JSON line a file, in dumb-pypi's input schema.

Keys: filename, hash (`sha256=<hex>`), requires_dist, requires_python, core_metadata (`sha256=<hex>` of METADATA) and
upload_timestamp (seconds since 1970, where the upstream told it). Lines are sorted by file name and are ASCII, since
dumb-pypi splits its input at every character that Unicode calls a line break.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from dumb_pypi.main import Package

from scripts import distribution
from scripts.distribution import Distribution
from scripts.locks import Pin
from scripts.root import Root

FILE = "files.jsonl"


def _known_upload_times(root: Root) -> dict[str, int]:
    """Return sha256 -> upload time, as earlier releases and the downloads still unpublished have it."""
    known = {}
    for listing in sorted(root.releases.glob(f"*/{FILE}")):
        for line in listing.read_text(encoding="ascii").splitlines():
            record = json.loads(line)
            if "upload_timestamp" in record:
                known[record["hash"].removeprefix("sha256=")] = record["upload_timestamp"]
    return known


def _upload_time(pin: Pin, path: Path, known: Mapping[str, int]) -> int | None:
    facts = path.with_name(f"{path.name}.json")
    if path.parent.name == "incoming" and facts.is_file():
        told: int | None = json.loads(facts.read_text(encoding="utf-8")).get("upload_timestamp")
        return told
    return known.get(pin.sha256)


def _record(one: Distribution, upload_time: int | None) -> dict[str, object]:
    metadata = one.metadata and f"sha256={hashlib.sha256(one.metadata).hexdigest()}"
    record: dict[str, object | None] = {
        "filename": one.filename,
        "hash": f"sha256={one.sha256}",
        "requires_dist": list(one.requires_dist) or None,
        "requires_python": one.requires_python,
        "core_metadata": metadata,
        "upload_timestamp": upload_time,
    }
    return {key: value for key, value in record.items() if value is not None}


def _name_problems(records: list[dict[str, object]]) -> Iterator[str]:
    """Name what dumb-pypi would skip with exit status 0, and names that two files claim."""
    seen: dict[object, object] = {}
    for record in records:
        name = record["filename"]
        if seen.setdefault(name, record["hash"]) != record["hash"]:
            yield f"{name}: locked with two hashes; run make upgrade so that the locks agree"
        try:
            Package.create(**record)
        except ValueError as error:
            yield f"{name}: dumb-pypi writes no page for such a name ({error}); take another version"


def list_files(root: Root, files: Mapping[Pin, Path]) -> tuple[list[Distribution], str]:
    """Read and check every file; returns them sorted by file name, and the text of `files.jsonl`.

    Raises SystemExit with all problems: a file that does not hold what its name and its pin say, a name with two
    hashes, a name that dumb-pypi cannot parse.
    """
    known = _known_upload_times(root)
    found: dict[str, tuple[Distribution, dict[str, object]]] = {}
    problems = []
    for pin, path in files.items():
        try:
            one = distribution.read(path, pin.sha256)
        except ValueError as error:
            problems.append(f"{pin}: {error}; take another version")
        else:
            found[f"{one.filename} {one.sha256}"] = one, _record(one, _upload_time(pin, path, known))
    ordered = [found[name] for name in sorted(found)]
    records = [record for _, record in ordered]
    problems += _name_problems(records)
    if problems:
        raise SystemExit("\n".join(sorted(problems)))
    return [one for one, _ in ordered], "".join(f"{json.dumps(record, sort_keys=True)}\n" for record in records)
