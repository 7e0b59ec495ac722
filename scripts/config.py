"""packages.yaml -> Config: reads what people asked for, and names every problem in it at once."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import yaml
from packaging.utils import canonicalize_name, is_normalized_name

from scripts import target
from scripts.requirements import (
    Line,
    RequirementFile,
    RequirementSet,
    parse_requirement,
    pin_problems,
    read_set,
)

FILE = "packages.yaml"
INLINE_SET = "packages"
_LINK = re.compile(r"(https?://|mailto:)[A-Za-z0-9._~:/?#@!$&'()*+,;=%-]+")
_SET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class Config(NamedTuple):
    """What `packages.yaml` says, with the requirement sets that it names.

    `python_versions` and `platforms` are None where the file leaves them to the machine that runs `make lock`. `denied`
    maps projects that must never be served to the reason; `request_url` is empty where the file has none.
    """

    resolve_deps: bool
    python_versions: tuple[str, ...] | None
    platforms: tuple[str, ...] | None
    allow_sdists: tuple[str, ...]
    sets: tuple[RequirementSet, ...]
    denied: Mapping[str, str] = MappingProxyType({})
    request_url: str = ""


class _Reader:
    """Takes keys out of the file's mapping and collects what is wrong with them."""

    def __init__(self, keys: Counter[str], values: dict[str, object]) -> None:
        self.values = values
        self.problems: list[str] = []
        for key, count in keys.items():
            if count > 1:
                self.problem(key, f"stands {count} times; keep one")

    def problem(self, key: str, fact_and_remedy: str) -> None:
        self.problems.append(f"{FILE}: {key}: {fact_and_remedy}")

    def boolean(self, key: str, default: bool) -> bool:
        value = self.values.get(key, default)
        if not isinstance(value, bool):
            self.problem(key, f"{value!r} is neither true nor false; write one of the two")
            return default
        return value

    def strings(self, key: str, problem_of: Callable[[str], str | None] | None = None) -> tuple[str, ...] | None:
        """Return a non-empty list's items without those that have a problem; None where the key is absent."""
        if key not in self.values:
            return None
        value = self.values[key]
        if not isinstance(value, list) or not value:
            self.problem(key, f"{value!r} is not a list with at least one item; write one item a line after '- '")
            return None
        good = [item for item in value if self._is_string(key, item)]
        for item, count in Counter(good).items():
            if count > 1:
                self.problem(key, f'"{item}" stands {count} times; keep one')
            elif problem_of and (problem := problem_of(item)):
                self.problem(key, problem)
        return tuple(good)

    def _is_string(self, key: str, item: object) -> bool:
        if isinstance(item, str):
            return True
        if isinstance(item, int | float) and not isinstance(item, bool):
            quoted = "3.10" if item == 3.1 else item
            self.problem(key, f'{item!r} is a number, and YAML reads a bare 3.10 as 3.1; quote it, as in "{quoted}"')
        else:
            self.problem(key, f"{item!r} is not a string; write a plain string")
        return False


KEYS: tuple[str, ...] = (
    "resolve_deps",
    "python_versions",
    "platforms",
    "requirements",
    "packages",
    "allow_sdists",
    "denied",
    "request_url",
)


def _name_problem(name: str) -> str | None:
    if is_normalized_name(name):
        return None
    return f'"{name}" is not a normalised project name; write "{canonicalize_name(name)}"'


def _check_keys(reader: _Reader) -> None:
    for key in reader.values:
        if key in KEYS:
            continue
        near = difflib.get_close_matches(str(key), KEYS, n=1, cutoff=0)
        reader.problem(str(key), f"no such key; the nearest is {near[0]}")


def _set_problem(path: str) -> str | None:
    parts = Path(path).parts
    if Path(path).is_absolute() or ".." in parts or "://" in path:
        return f'"{path}" is not inside the checkout; name a file by its path from the top of the checkout'
    if not _SET_NAME.fullmatch(Path(path).stem):
        return f'"{path}" gives the set no plain name; name the file with letters, digits, ".", "_" and "-"'
    return None


def _inline_set(reader: _Reader) -> RequirementSet:
    lines = []
    for text in reader.strings("packages") or ():
        requirement = parse_requirement(text)
        if isinstance(requirement, str):
            reader.problem("packages", requirement)
        else:
            lines.append(Line(FILE, 0, requirement))
    return RequirementSet(INLINE_SET, (RequirementFile(FILE, tuple(lines)),))


def _sets(reader: _Reader, root: Path) -> tuple[RequirementSet, ...]:
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


def _values(root: Path) -> tuple[Counter[str], dict[str, object]]:
    """Return how often each key stands in the file, since YAML's last one wins, and the values."""
    try:
        text = (root / FILE).read_text(encoding="utf-8-sig")
        node, values = yaml.compose(text, yaml.SafeLoader), yaml.safe_load(text)
    except FileNotFoundError:
        raise SystemExit(f"{FILE}: no such file; create it, an empty one means every default") from None
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise SystemExit(f"{FILE}{line}: not readable as YAML ({error.problem}); correct it") from None
    except (yaml.YAMLError, ValueError, OSError) as error:
        raise SystemExit(f"{FILE}: not readable as YAML ({' '.join(str(error).split())}); correct it") from None
    if values is None:
        return Counter(), {}
    if not isinstance(values, dict) or not isinstance(node, yaml.MappingNode):
        raise SystemExit(f"{FILE}: holds no mapping of keys to values; write lines such as resolve_deps: true")
    keys = Counter(str(key.value) for key, _ in node.value)
    for key, value in node.value:
        if isinstance(value, yaml.MappingNode):
            keys.update(f"{key.value}: {inner.value}" for inner, _ in value.value)
    return keys, values


def load(root: Path) -> Config:
    """Read `packages.yaml` and the requirement files of the checkout in root.

    Raises SystemExit with one line a problem, all of them: `packages.yaml: key: …` or `file:line: …`.
    """
    reader = _Reader(*_values(root))
    _check_keys(reader)
    resolve_deps = reader.boolean("resolve_deps", default=False)
    config = Config(
        resolve_deps=resolve_deps,
        python_versions=reader.strings("python_versions", target.python_problem),
        platforms=reader.strings("platforms", target.platform_problem),
        allow_sdists=_optional_names(reader),
        sets=_sets(reader, root),
        denied=_denied(reader),
        request_url=_request_url(reader),
    )
    reader.problems += _denied_requirements(config)
    # Who misspelt `resolve_deps: true` need not be told to pin every line.
    if not resolve_deps and not any("resolve_deps" in problem for problem in reader.problems):
        reader.problems += _unpinned(config.sets)
    if reader.problems:
        raise SystemExit("\n".join(reader.problems))
    return config


def _optional_names(reader: _Reader) -> tuple[str, ...]:
    if reader.values.get("allow_sdists") == []:
        return ()
    return tuple(sorted(reader.strings("allow_sdists", _name_problem) or ()))


def _denied(reader: _Reader) -> dict[str, str]:
    """Return name -> reason of the projects that are denied; YAML's last one of two equal names would win silently."""
    value = reader.values.get("denied", {})
    if not isinstance(value, dict):
        reader.problem("denied", f"{value!r} is not a mapping; write one line a project, as in left-pad: abandoned")
        return {}
    for name, reason in value.items():
        if problem := _name_problem(str(name)):
            reader.problem("denied", problem)
        elif not isinstance(reason, str) or not reason.strip() or not reason.isprintable():
            reader.problem("denied", f"{name} has no reason; write one line of text after its name")
    return {str(name): str(reason).strip() for name, reason in value.items()}


def _request_url(reader: _Reader) -> str:
    value = reader.values.get("request_url", "")
    if "request_url" in reader.values and not (isinstance(value, str) and _LINK.fullmatch(value)):
        reader.problem("request_url", f"{value!r} is no link; write a URL with https:, http: or mailto:")
        return ""
    return str(value)


def _denied_requirements(config: Config) -> list[str]:
    return [
        f"{line.where}: {line.name} is denied in {FILE} ({config.denied[line.name]}); remove one of the two"
        for one in config.sets
        for line in one.lines
        if line.name in config.denied
    ]


def _unpinned(sets: Sequence[RequirementSet]) -> list[str]:
    return [problem for one in sets for problem in pin_problems(one.lines)]
