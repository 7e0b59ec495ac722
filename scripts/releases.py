"""$(PYPI_ROOT) -> its releases, the newest first: when, how much, made of what, what changed, and which is live.

Needs nothing but Python.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from scripts import manifest, rolled_back, variables
from scripts.files import is_file, read_json
from scripts.release import CHANGES, moment_of
from scripts.root import Root, opened_to_read
from scripts.terminal import run
from scripts.texts import one_line, printable_lines

_MOST_CHANGES = 10


def _change(told: dict[str, Any]) -> str:
    before, after = ", ".join(map(str, told["before"])), ", ".join(map(str, told["after"]))
    versions = before if before == after else " → ".join(filter(None, [before, after]))
    return one_line(f"{told['project']} {versions} {told['kind']}", 200)


def _changed(release: Path) -> str:
    """Say what a release changed, as its own `changes.json` has it."""
    try:
        changes = [_change(one) for one in read_json(release / CHANGES)[0]["changes"]]
    except (OSError, ValueError, TypeError, LookupError):
        return f"not known, {CHANGES} cannot be read"
    more = [f"and {len(changes) - _MOST_CHANGES} more"] if len(changes) > _MOST_CHANGES else []
    return "; ".join(changes[:_MOST_CHANGES] + more) or "nothing that is installed"


def _made(release: Path) -> Iterator[str]:
    """Yield what a release's manifest says; of one that cannot be read, why."""
    try:
        told = manifest.read(release)
    except ValueError as error:
        yield f"  {error}"
        return
    signed = "signed" if is_file(release / manifest.SIGNATURE) else "not signed"
    commit, _, dirty = told.commit.partition("-")
    of = f"commit {commit[:12]}{dirty and ' and changes'}" if commit else "no commit"
    yield f"  made      {moment_of(release):%Y-%m-%d %H:%M} UTC, generation {told.generation}, {signed}"
    yield f"  holds     {told.projects} projects, {len(told.distributions)} files"
    yield f"  made of   {of}, locks {told.locks[:12]}"


def listing(root: Root) -> Iterator[str]:
    """Yield the lines for all releases; raises SystemExit where there is none."""
    live, note = root.live, rolled_back.read(root)
    if not root.all_releases:
        raise SystemExit(f"{root.path}: nothing is published there; run make index")
    for release in reversed(root.all_releases):
        state = "  live" if release == live else "  rolled back" if note and note.taken_back == release.name else ""
        yield f"{release.name}{state}"
        yield from _made(release)
        yield f"  changed   {_changed(release)}"


def main(argv: Sequence[str] | None = None) -> int:
    """Print the list."""
    args = variables.parser(__doc__, "root").parse_args(argv)
    with opened_to_read(args.root) as root:
        print(printable_lines("\n".join(listing(root))))
    return 0


if __name__ == "__main__":
    raise SystemExit(run(main))
