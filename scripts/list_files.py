"""Verified files -> files.jsonl: one JSON line a file, in dumb-pypi's input schema.

Keys: filename, hash (`sha256=<hex>`), requires_dist, requires_python, core_metadata (`sha256=<hex>` of METADATA) and
upload_timestamp (seconds since 1970, where the upstream told it). Lines are sorted by file name and are ASCII, since
dumb-pypi splits its input at every character that Unicode calls a line break.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from dumb_pypi.main import Package

from scripts import distribution
from scripts.distribution import Distribution
from scripts.locks import Pin
from scripts.root import Root

FILE = "files.jsonl"


Record = dict[str, object]


def records(release: Path) -> list[Record]:
    """Read a release's list; one that is not there or is damaged names nothing."""
    try:
        lines = (release / FILE).read_text(encoding="ascii").splitlines()
        return [record for record in map(json.loads, lines) if isinstance(record, dict)]
    except (OSError, ValueError):
        return []


def published(root: Root) -> dict[str, Record]:
    """Return sha256 -> record of every file of every release that is kept; the newest release's word counts."""
    known = [record for release in root.all_releases for record in records(release)]
    return {str(record.get("hash")).removeprefix("sha256="): record for record in known}


def _upload_time(root: Root, one: Distribution, known: Mapping[str, Record]) -> int | None:
    """Return what the upstream told when the file was fetched, which an earlier run may have done."""
    records = (_facts(root.incoming / f"{one.filename}.json", one.sha256), known.get(one.sha256, {}))
    told = (record.get("upload_timestamp") for record in records)
    return next((moment for moment in told if type(moment) is int and 0 < moment < time.time()), None)


def _facts(path: Path, sha256: str) -> Record:
    try:
        facts = json.loads(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) and facts.get("sha256") == sha256 else {}


def _record(one: Distribution, upload_time: int | None) -> Record:
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


def _name_problems(pin: Pin, record: Record) -> Iterator[str]:
    """Say what dumb-pypi would skip, or put on another project's page, with exit status 0."""
    try:
        project = Package.create(**record).name
    except ValueError as error:
        yield f"{pin}: dumb-pypi writes no page for such a name ({error}); take another version"
    else:
        if project != pin.name:
            yield f"{pin}: dumb-pypi takes {record['filename']} for a file of {project}; take another version"


def _clashes(files: Mapping[Pin, Path]) -> Iterator[str]:
    hashes: dict[str, set[str]] = {}
    for pin, path in files.items():
        hashes.setdefault(path.name, set()).add(pin.sha256)
    for name, different in hashes.items():
        if len(different) > 1:
            yield f"{name}: locked with two hashes; run make upgrade so that the locks agree"


def list_files(root: Root, files: Mapping[Pin, Path]) -> tuple[list[Distribution], str]:
    """Read and check every file; returns them sorted by file name, and the text of `files.jsonl`.

    Raises SystemExit with all problems: a file that does not hold what its name and its pin say, a name with two
    hashes, a name that dumb-pypi cannot parse.
    """
    known = published(root)
    found: dict[str, tuple[Distribution, Record]] = {}
    problems = list(_clashes(files))
    for pin, path in files.items():
        try:
            one = distribution.read(path, pin.sha256)
        except ValueError as error:
            problems.append(f"{pin}: {error}; take another version")
        else:
            found[one.filename] = one, _record(one, _upload_time(root, one, known))
            problems += _name_problems(pin, found[one.filename][1])
    if problems:
        raise SystemExit("\n".join(sorted(problems)))
    ordered = [found[name] for name in sorted(found)]
    return [one for one, _ in ordered], "".join(f"{json.dumps(record, sort_keys=True)}\n" for _, record in ordered)
