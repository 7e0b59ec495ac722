"""The live release of $(PYPI_ROOT) -> what is served, as its own JSON pages say it: files, targets and statuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from scripts.distribution import Distribution, parse_filename
from scripts.facts import Facts, checked_status
from scripts.files import read_json
from scripts.list_files import File
from scripts.locks import Key
from scripts.root import Root
from scripts.target import Target

_REMEDY = "run make verify"


class Served(NamedTuple):
    """A release: its id, each project's files, and its status (PEP 792) when something of it was last fetched."""

    release: str
    projects: dict[str, list[File]]
    statuses: dict[str, str]


def _file(told: dict[str, Any]) -> File:
    """Read a file's object; of what the file holds a page tells next to nothing."""
    name, version = parse_filename(told["filename"])
    one = Distribution(told["filename"], name, version, told["hashes"]["sha256"], told["size"], None)
    keys = [Key(name, Target.parse(target)) for name, targets in told["_serves"].items() for target in targets]
    facts = Facts(yanked=told.get("yanked"), first_party=told.get("_first-party", False))
    return File(one, facts, tuple(keys))


def _page(path: Path) -> tuple[list[File], str]:
    try:
        told = read_json(path)
        return [_file(one) for one in told["files"]], checked_status(told["project-status"]).status
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise SystemExit(f"{path}: is no page that make index wrote; {_REMEDY}") from None


def read_live(root: Root) -> Served:
    """Read the live release; a name that is denied has a page, and no files. Raises SystemExit where there is none."""
    live = root.published()
    pages = {path.parent.name: _page(path) for path in sorted(live.glob("simple/*/index.json"))}
    projects = {name: files for name, (files, _) in pages.items() if files}
    return Served(live.name, projects, {name: pages[name][1] for name in projects})
