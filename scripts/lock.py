"""packages.yaml, requirement files -> locks/: resolves every set for every target, side by side.

Only locks that are missing or stale are made anew, and what they pin already is kept. --upgrade resolves everything
afresh, with --package one project.
"""

from __future__ import annotations

import itertools
import os
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from packaging.utils import canonicalize_name

from scripts import config, distribution, first_party, lock_check, locks, variables, waivers
from scripts.compilers import Compilers
from scripts.config import Config
from scripts.files import write_whole
from scripts.locks import Key
from scripts.pip_environment import pip_environment
from scripts.solve import Job, solve
from scripts.terminal import Progress, run, side_by_side
from scripts.texts import printable_lines


def _write(path: Path, text: str) -> bool:
    """Write a lock in one rename; returns whether it changed."""
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, text.encode())
    return True


def _remove_dropped(keys: Sequence[Key]) -> list[Path]:
    """Remove the locks of sets and targets that are no longer asked for."""
    dropped = [path for key, path in locks.existing().items() if key not in keys]
    for path in dropped:
        path.unlink()
        if not any(path.parent.iterdir()):
            path.parent.rmdir()
    return dropped


def _upgrade_arguments(upgrade: bool, package: str, keys: Sequence[Key]) -> tuple[str, ...]:
    if not package:
        return ("--upgrade",) if upgrade else ()
    if not upgrade:
        raise SystemExit(f"PACKAGE={package}: make lock moves nothing; run make upgrade PACKAGE={package}")
    name = canonicalize_name(package)
    pinned = {pin.name for key in keys if key.path.is_file() for pin in locks.read_pins(key.path)}
    if name not in pinned:
        raise SystemExit(f"PACKAGE={package}: no lock pins that project; name one that stands in locks/")
    return (f"--upgrade-package={name}",)


def _announce_sdists(settings: Config) -> None:
    if settings.allow_sdists and settings.resolve_deps:
        names = ", ".join(settings.allow_sdists)
        print(
            f"To read an sdist's dependencies is to run its code; allow_sdists permits it for: {names}", file=sys.stderr
        )


def _in_house(settings: Config) -> frozenset[str]:
    """Return the projects that are built in-house: those with a wheel, and those that a lock knows as such.

    Raises SystemExit where a wheel is not sound: pip would say less of it.
    """
    wheels, names = first_party.read(settings.first_party)
    problems = list(filter(None, itertools.starmap(_problem, wheels.items())))
    if problems:
        raise SystemExit("\n".join(sorted(problems)))
    return names | {pin.name for pin in locks.in_house(locks.existing())}


def _problem(sha256: str, wheel: Path) -> str | None:
    try:
        distribution.read(wheel, sha256)
    except ValueError as error:
        return f"{wheel.parent}/{error}; build it anew"
    return None


def _jobs(settings: Config, keys: Sequence[Key], upgrade: tuple[str, ...], compilers: Compilers) -> list[Job]:
    _announce_sdists(settings)
    sets = {one.name: one for one in settings.sets}
    exceptions = [one for one in waivers.load(Path()) if one.expires >= waivers.today()]
    age = timedelta(days=settings.policy.min_age_days.limit)
    prior_to = (datetime.now(UTC).replace(microsecond=0) - age).isoformat()
    in_house = _in_house(settings)
    return [Job(key, sets[key.set_name], settings, compilers, upgrade, prior_to, exceptions, in_house) for key in keys]


def _run(jobs: Sequence[Job]) -> tuple[int, dict[Path, str]]:
    """Make every lock, side by side; returns how many changed, and the reason for each that could not be made."""
    progress = Progress()
    changed, failed = 0, {}
    progress.show(f"Locking {len(jobs)} targets …")
    for count, (job, outcome) in enumerate(side_by_side(solve, jobs, at_once=os.cpu_count() or 1), start=1):
        if outcome.reason:
            failed[job.key.path] = outcome.reason
        else:
            changed += _write(job.key.path, outcome.text)
        progress.show(f"Locking: {count} of {len(jobs)} targets done")
    progress.clear()
    return changed, failed


def _make(
    settings: Config, wanted: Sequence[Key], upgrade: tuple[str, ...], upstream: str
) -> tuple[int, dict[Path, str]]:
    with Compilers(pip_environment(upstream)) as compilers:
        return _run(_jobs(settings, wanted, upgrade, compilers))


def _reasons(failed: Mapping[Path, str]) -> Iterator[str]:
    """Yield each reason once, below all the locks that it keeps from being made."""
    by_reason: dict[str, list[str]] = {}
    for path, reason in sorted(failed.items()):
        by_reason.setdefault(reason, []).append(str(path))
    for reason, paths in by_reason.items():
        yield ",\n".join(paths) + f": cannot be solved:\n{textwrap.indent(printable_lines(reason), '    ')}"


def main(argv: Sequence[str] | None = None) -> int:
    """Write the locks; targets that cannot be solved are reported, and the other locks are written all the same."""
    parser = variables.parser(__doc__, "upstream")
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions that the requirements allow")
    parser.add_argument("--package", default="", help="with --upgrade: move this project only")
    args = parser.parse_args(argv)
    settings = config.load(Path())
    keys = locks.expected(settings)
    upgrade = _upgrade_arguments(args.upgrade, args.package, keys)
    stale = lock_check.problems(settings)
    wanted = [key for key in keys if upgrade or key.path in stale or not key.path.is_file()]
    try:
        changed, failed = _make(settings, wanted, upgrade, args.upstream) if wanted else (0, {})
        # Where something fails, nothing that was approved is given up for it.
        dropped = [] if failed else _remove_dropped(keys)
    except OSError as error:
        where, reason = error.filename or locks.FOLDER, error.strerror or error
        raise SystemExit(f"{where}: {reason}; mend that, then run make lock again") from None
    for reason in _reasons(failed):
        print(reason, file=sys.stderr)
    kept = len(keys) - changed - len(failed)
    print(f"{changed} locks written, {kept} unchanged, {len(dropped)} removed, {len(failed)} failed", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(run(main))
