"""packages.yaml -> Config: reads what people asked for, and names every problem in it at once."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from scripts import rules, target
from scripts.requirements import (
    RequirementFile,
    RequirementSet,
    line_of,
    parse_requirement,
    pin_problems,
    read_set,
)
from scripts.rules import LEVELS, Policy
from scripts.yaml_reader import Reader

FILE = "packages.yaml"
INLINE_SET = "packages"
_LINK = re.compile(r"(https?://|mailto:)[A-Za-z0-9._~:/?#@!$&'()*+,;=%-]+")
_SET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class Config(NamedTuple):
    """What `packages.yaml` says, with the requirement sets that it names.

    `python_versions` and `platforms` are None where the file leaves them to the machine that runs `make lock`. `denied`
    maps projects that must never be served to the reason; `request_url` is empty where the file has none, and so is
    `first_party`, the folder of wheels built in-house. `closure` is `error`, `warn` or `off`, as each rule is.
    """

    resolve_deps: bool
    python_versions: tuple[str, ...] | None
    platforms: tuple[str, ...] | None
    allow_sdists: tuple[str, ...]
    sets: tuple[RequirementSet, ...]
    denied: Mapping[str, str] = MappingProxyType({})
    request_url: str = ""
    closure: str = "error"
    policy: Policy = Policy()
    first_party: str = ""


KEYS: tuple[str, ...] = (
    "resolve_deps",
    "python_versions",
    "platforms",
    "requirements",
    "packages",
    "allow_sdists",
    "denied",
    "request_url",
    "closure",
    "policy",
    "first_party",
)


def _set_problem(path: str) -> str | None:
    parts = Path(path).parts
    if Path(path).is_absolute() or ".." in parts or "://" in path:
        return f'"{path}" is not inside the checkout; name a file by its path from the top of the checkout'
    if not _SET_NAME.fullmatch(Path(path).stem):
        return f'"{path}" gives the set no plain name; name the file with letters, digits, ".", "_" and "-"'
    return None


def _inline_set(reader: Reader) -> RequirementSet:
    lines = []
    for text in reader.strings("packages") or ():
        requirement = parse_requirement(text)
        if isinstance(requirement, str):
            reader.problem("packages", requirement)
        else:
            lines.append(line_of(FILE, 0, requirement))
    return RequirementSet(INLINE_SET, (RequirementFile(FILE, tuple(lines)),))


def _sets(reader: Reader, root: Path) -> tuple[RequirementSet, ...]:
    if "packages" in reader.values:
        if "requirements" in reader.values:
            reader.problem("packages", "stands beside requirements; keep one of the two")
        return (_inline_set(reader),)
    paths = reader.strings("requirements", _set_problem) or ()
    if "requirements" not in reader.values:
        paths = ("requirements.in",)
    stems = Counter(Path(path).stem for path in paths)
    for stem, count in stems.items():
        if count > 1 and len(set(paths)) == len(paths):
            reader.problem("requirements", f'{count} files give a set named "{stem}"; rename one of them')
    safe = [path for path in paths if not _set_problem(path)]
    return tuple(read_set(root, Path(path).as_posix(), reader.problems) for path in safe)


def _open(root: Path) -> Reader:
    try:
        return Reader.open(root / FILE, FILE)
    except FileNotFoundError:
        raise SystemExit(f"{FILE}: no such file; create it, an empty one means every default") from None


def load(root: Path) -> Config:
    """Read `packages.yaml` and the requirement files of the checkout in root.

    Raises SystemExit with one line a problem, all of them: `packages.yaml: key: …` or `file:line: …`.
    """
    reader = _open(root)
    reader.check_keys(KEYS)
    resolve_deps = reader.boolean("resolve_deps", default=False)
    config = Config(
        resolve_deps=resolve_deps,
        python_versions=reader.strings("python_versions", target.python_problem),
        platforms=reader.strings("platforms", target.platform_problem),
        allow_sdists=_optional_names(reader),
        sets=_sets(reader, root),
        denied=_denied(reader),
        request_url=_request_url(reader),
        closure=reader.choice("closure", LEVELS, "error"),
        policy=rules.read(reader),
        first_party=_first_party(reader, root),
    )
    reader.problems += _denied_requirements(config)
    # Who misspelt `resolve_deps: true` need not be told to pin every line.
    if not resolve_deps and not any("resolve_deps" in problem for problem in reader.problems):
        reader.problems += pin_problems([line for one in config.sets for line in one.lines])
    if reader.problems:
        raise SystemExit("\n".join(reader.problems))
    return config


def _optional_names(reader: Reader) -> tuple[str, ...]:
    if reader.values.get("allow_sdists") == []:
        return ()
    return tuple(sorted(reader.strings("allow_sdists", rules.name_problem) or ()))


def _denied(reader: Reader) -> dict[str, str]:
    """Return name -> reason of the projects that are denied; YAML's last one of two equal names would win silently."""
    value = reader.values.get("denied", {})
    if not isinstance(value, dict):
        reader.problem("denied", f"{value!r} is not a mapping; write one line a project, as in left-pad: abandoned")
        return {}
    for name, reason in value.items():
        if problem := rules.name_problem(str(name)):
            reader.problem("denied", problem)
        elif not isinstance(reason, str) or not reason.strip() or not reason.isprintable():
            reader.problem("denied", f"{name} has no reason; write one line of text after its name")
    return {str(name): str(reason).strip() for name, reason in value.items()}


def _request_url(reader: Reader) -> str:
    value = reader.values.get("request_url", "")
    if "request_url" in reader.values and not (isinstance(value, str) and _LINK.fullmatch(value)):
        reader.problem("request_url", f"{value!r} is no link; write a URL with https:, http: or mailto:")
        return ""
    return str(value)


def _first_party(reader: Reader, root: Path) -> str:
    if "first_party" not in reader.values:
        return ""
    folder = reader.text("first_party", "write the path of a folder of wheels")
    if folder and not (root / folder).is_dir():
        reader.problem("first_party", f"{folder} is no folder; create it, or correct the path")
    return folder


def _denied_requirements(config: Config) -> list[str]:
    return [
        f"{line.where}: {line.name} is denied in {FILE} ({config.denied[line.name]}); remove one of the two"
        for one in config.sets
        for line in one.lines
        if line.name in config.denied
    ]
