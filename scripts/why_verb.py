"""A project, the checkout, $(PYPI_ROOT) -> why it is here, on standard output: what `make why PACKAGE=name` says.

For each file that a lock names: for which sets and targets, which requirement asks for it and through which other
projects, since which release it is published, which commit approved it, and what is waived for it. Nothing is fetched
and nothing is written. A name that no lock has ends with 1, and with what is known of it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement
from packaging.utils import InvalidName, NormalizedName, canonicalize_name

from scripts import approvals, config, history, lock_check, locks, variables, waivers, why_not
from scripts.approvals import Approval
from scripts.config import Config
from scripts.facts import Json, read_page
from scripts.locks import Key, Pin
from scripts.people import utc
from scripts.project_view import MOST_CHAINS
from scripts.root import Root
from scripts.target_names import for_whom
from scripts.terminal import run
from scripts.texts import printable
from scripts.waivers import Waiver
from scripts.why import Chain, chains_of

_UNNAMED = "a file, whose name is known once it is published"


class Live(NamedTuple):
    """What the live release tells of a project: its files by sha256, and the id of each release by its time."""

    files: Mapping[str, Json] = {}
    releases: Mapping[str, str] = {}


class Found(NamedTuple):
    """What is known of a project in the checkout: its pins, with the lines of the locks that have them, and waivers."""

    settings: Config
    pins: Mapping[Pin, Sequence[Key]]
    approved: Mapping[tuple[Key, str], Approval]
    chains: Mapping[Key, Sequence[Chain]]
    waivers: Sequence[Waiver]
    first_party: frozenset[Pin]


def read_live(path: Path, project: str) -> Live:
    """Read the live release; a run that is under way need not be waited for, since a release never changes."""
    live = Root(path).live
    if live is None:
        return Live()
    files = {sha256: file for sha256, file in read_page(live, project).items() if sha256}
    return Live(files, {entry.time: entry.release for entry in history.read(live)})


def _lines_of(key: Key, pins: Iterable[Pin]) -> dict[str, int]:
    """Map the sha256 of each pin to the number of the line of the lock that approves it."""
    text = key.path.read_text(encoding="utf-8", errors="replace").split("\n")
    wanted = {f"--hash=sha256:{pin.sha256}": pin.sha256 for pin in pins}
    numbered = ((wanted.get(line.strip(" \\\r")), number) for number, line in enumerate(text, 1))
    return {sha256: number for sha256, number in numbered if sha256}


def _approved(of_locks: Mapping[Key, Sequence[Pin]]) -> dict[tuple[Key, str], Approval]:
    found: dict[tuple[Key, str], Approval] = {}
    for key, pins in of_locks.items():
        lines = _lines_of(key, pins)
        told = approvals.of_lines(key.path, sorted(lines.values()))
        found |= {(key, sha256): told[number] for sha256, number in lines.items()}
    return found


def look_up(name: NormalizedName, settings: Config, there: Mapping[Key, Sequence[Pin]]) -> Found:
    """Gather what the checkout knows of a project; there are the pins of every lock."""
    of_locks = {key: own for key, pins in there.items() if (own := [pin for pin in pins if pin.name == name])}
    pins: dict[Pin, list[Key]] = {}
    for key, own in of_locks.items():
        for pin in own:
            pins.setdefault(pin, []).append(key)
    chains = {key: chains_of(name, settings.sets, key) for key in of_locks}
    of_project = [waiver for waiver in waivers.load(Path()) if waiver.project == name]
    return Found(settings, pins, _approved(of_locks), chains, of_project, frozenset(locks.in_house(of_locks)))


def _way(chain: Chain) -> str:
    way = " → ".join([f"{chain.where}: {chain.requirement}", *reversed(chain.projects[:-1])])
    return f"{way}  # {chain.comment}" if chain.comment else way


def _is_for(chain: Chain, pin: Pin) -> bool:
    """Whether a requirement that names the project means this version of it."""
    return len(chain.projects) > 1 or Requirement(chain.requirement).specifier.contains(pin.version, prereleases=True)


def _grouped(told: Iterable[tuple[str, Key]], every: Sequence[Key]) -> list[str]:
    """Return each text once; where it is not true of every lock, with those that it is true of."""
    keys: dict[str, list[Key]] = {}
    for text, key in told:
        keys.setdefault(text, []).append(key)
    return [text if len(of) == len(every) else f"{text} ({for_whom(of)})" for text, of in keys.items()]


def _because(pin: Pin, found: Found) -> list[str]:
    keys = found.pins[pin]
    ways = ((_way(chain), key) for key in keys for chain in found.chains[key] if _is_for(chain, pin))
    lines = _grouped(ways, keys) or ["no requirement is known; run make lock"]
    more = len(lines) - MOST_CHAINS
    return [*lines[:MOST_CHAINS], f"and {more} more"] if more > 0 else lines


def _since(pin: Pin, live: Live) -> str:
    if pin.sha256 not in live.files:
        return "not published yet"
    time = str(live.files[pin.sha256].get("_approved", ""))
    release = live.releases.get(time, "a release that is gone")
    return f"since {release}, {utc(time)}" if time else "since an unknown release"


def _by_commit(pin: Pin, found: Found) -> Iterator[str]:
    keys = found.pins[pin]
    told = {key: found.approved[key, pin.sha256] for key in keys}
    for text in _grouped(((_approval(one), key) for key, one in told.items()), keys):
        yield from text.split("\n")


def _approval(one: Approval) -> str:
    if one.commit is None:
        return one.note
    return f"{one.commit}" + (f"\nmerged by {one.merge}" if one.merge else "")


def _waived(pin: Pin, found: Found) -> Iterator[str]:
    for one in found.waivers:
        if one.is_for(str(pin.version)):
            state = "expired on" if one.expires < waivers.today() else "until"
            what = f"{one.rule} {one.advisory}".strip()
            yield f"{what}, {state} {one.expires:%Y-%m-%d}, approved by {one.approved_by}: {one.reason}"


def _facts(pin: Pin, found: Found, live: Live) -> Iterator[tuple[str, Iterable[str]]]:
    file = live.files.get(pin.sha256, {})
    publisher = file.get("_publisher")
    yield "sha256", [pin.sha256]
    yield "locked for", [for_whom(found.pins[pin])]
    yield "asked for by", _because(pin, found)
    yield "published", [_since(pin, live)]
    yield "approved by", _by_commit(pin, found)
    yield "waived", _waived(pin, found)
    yield "publisher", [str(publisher)] if publisher else []
    yield "built", ["in-house, from first_party"] if pin in found.first_party else []


def _block(title: str, pin: Pin, found: Found, live: Live) -> Iterator[str]:
    yield f"  {title}"
    for label, lines in _facts(pin, found, live):
        for number, line in enumerate(lines):
            yield f"    {'' if number else label:<13} {line}".rstrip()


def lines(found: Found, live: Live) -> Iterator[str]:
    """Yield what is said of a project, a block a file, the newest version first."""
    names = {pin: str(live.files.get(pin.sha256, {}).get("filename", _UNNAMED)) for pin in found.pins}
    last = None
    for pin in sorted(found.pins, key=lambda pin: (pin.version, names[pin], pin.sha256), reverse=True):
        if pin.version != last:
            yield str(pin)
        last = pin.version
        yield from _block(names[pin], pin, found, live)


def _name(package: str) -> NormalizedName:
    try:
        return canonicalize_name(package, validate=True)
    except InvalidName:
        said = f"{package!r} is no name of a project" if package else "names no project"
        raise SystemExit(f"PACKAGE: {said}; run make why PACKAGE=name") from None


def main(argv: Sequence[str] | None = None) -> int:
    """Print why a project is here; raises SystemExit with a sentence where no lock has it."""
    parser = variables.parser(__doc__, "root")
    parser.add_argument("--package", required=True, help="the project's name")
    args = parser.parse_args(argv)
    name, settings = _name(args.package), config.load(Path())
    for path, problem in lock_check.problems(settings).items():
        print(f"{path}: {problem}", file=sys.stderr)  # and yet the locks as they stand have an answer
    there = {key: locks.read_pins(path) for key, path in locks.existing().items()}
    found, live = look_up(name, settings, there), read_live(args.root, name)
    if not found.pins:
        raise SystemExit(why_not.sentences(name, settings, there, live.files))
    if name in settings.denied:
        print(f"{config.FILE}: {name} is denied ({printable(settings.denied[name])})", file=sys.stderr)
    print("\n".join(printable(line) for line in lines(found, live)))
    return 0


if __name__ == "__main__":
    raise SystemExit(run(main))
