"""YAML file -> Reader: takes values out by key and collects what is wrong with them, to be told all at once."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import yaml


def _keys(node: yaml.Node | None, above: str = "") -> Iterator[str]:
    """Yield each key with those above it, as often as it stands there: of two equal ones YAML's last wins silently."""
    if isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value, start=1):
            yield from _keys(item, f"{above}{number}: ")
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield f"{above}{key.value}"
            yield from _keys(value, f"{above}{key.value}: ")


def _load(path: Path, name: str) -> tuple[object, list[str]]:
    """Return a file's value, and what is wrong with its keys."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        node, value = yaml.compose(text, yaml.SafeLoader), yaml.safe_load(text)
    except FileNotFoundError:
        raise
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise SystemExit(f"{name}{line}: not readable as YAML ({error.problem}); correct it") from None
    except RecursionError:
        raise SystemExit(f"{name}: not readable as YAML (it is nested too deep); correct it") from None
    except (yaml.YAMLError, ValueError, OSError) as error:
        raise SystemExit(f"{name}: not readable as YAML ({' '.join(str(error).split())}); correct it") from None
    counts = Counter(_keys(node))
    return value, [f"{name}: {key}: stands {count} times; keep one" for key, count in counts.items() if count > 1]


class Reader:
    """A mapping of a YAML file. where stands before each problem: the file, and the keys that lead to the mapping."""

    def __init__(self, where: str, values: Mapping[str, object], problems: list[str]) -> None:
        self.values = values
        self.problems = problems
        self.where = where

    @classmethod
    def open(cls, path: Path, name: str) -> Reader:
        """Read a file that holds a mapping, or nothing; name is what messages call it.

        Raises FileNotFoundError, and SystemExit where the file cannot be read as one.
        """
        value, problems = _load(path, name)
        if value is not None and not isinstance(value, dict):
            raise SystemExit(f"{name}: holds no mapping of keys to values; write lines such as resolve_deps: true")
        return cls(name, value or {}, problems)

    @classmethod
    def open_list(cls, path: Path, name: str) -> tuple[list[Reader], list[str]]:
        """Read a file that holds a list of mappings, or nothing; returns a reader for each, and their problems."""
        value, problems = _load(path, name)
        items = [] if value is None else value
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise SystemExit(f"{name}: holds no list of mappings; begin each with '- '")
        return [cls(f"{name}: {number}", item, problems) for number, item in enumerate(items, start=1)], problems

    def problem(self, key: str, fact_and_remedy: str) -> None:
        """Note what is wrong with a key, as `fact; what to do`."""
        self.problems.append(f"{self.where}: {key}: {fact_and_remedy}")

    def check_keys(self, known: Sequence[str]) -> None:
        """Note each key that is none."""
        for key in map(str, self.values):
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1, cutoff=0)
                self.problem(key, f"no such key; the nearest is {near[0]}")

    def below(self, key: str) -> Reader:
        """Return the reader of a mapping that stands under a key; empty where none does."""
        value = self.values.get(key)
        if value is not None and not isinstance(value, dict):
            self.problem(key, f"{value!r} is not a mapping; write lines such as key: value below it")
            value = {}
        return Reader(f"{self.where}: {key}", value or {}, self.problems)

    def boolean(self, key: str, default: bool) -> bool:
        """Return true or false."""
        value = self.values.get(key, default)
        if not isinstance(value, bool):
            self.problem(key, f"{value!r} is neither true nor false; write one of the two")
            return default
        return value

    def choice(self, key: str, choices: Sequence[str], default: str) -> str:
        """Return one of several words; YAML reads a bare `off` as false, which is meant to be that word."""
        value = self.values.get(key, default)
        if value is False and "off" in choices:
            return "off"
        if value is None:
            self.problem(key, f"has no value; write one of {', '.join(choices)}")
            return default
        if value not in choices:
            self.problem(key, f"{value!r} is none of {', '.join(choices)}; write one of them")
            return default
        return str(value)

    def number(self, key: str) -> int:
        """Return a whole number above 0."""
        value = self.values.get(key)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            self.problem(key, f"{value!r} is not a whole number above 0; write one")
            return 1
        return value

    def text(self, key: str, remedy: str = "write one line of text") -> str:
        """Return one line of text; a missing one is a problem."""
        value = self.values.get(key, "")
        if not isinstance(value, str) or not value.strip() or not value.isprintable():
            self.problem(key, f"{value!r} is no line of text; {remedy}" if value else f"is missing; {remedy}")
            return ""
        return value.strip()

    def strings(self, key: str, problem_of: Callable[[str], str | None] | None = None) -> tuple[str, ...] | None:
        """Return a non-empty list's texts, each of which problem_of was asked about; None where the key is absent."""
        if key not in self.values:
            return None
        value = self.values[key]
        if not isinstance(value, list) or not value:
            self.problem(key, f"{value!r} is not a list with at least one item; write one item a line after '- '")
            return None
        return tuple(self._checked(key, value, problem_of))

    def _checked(self, key: str, items: Iterable[object], problem_of: Callable[[str], str | None] | None) -> list[str]:
        good = [item for item in items if isinstance(item, str) or self._complain(key, item)]
        for item, count in Counter(good).items():
            if count > 1:
                self.problem(key, f'"{item}" stands {count} times; keep one')
            elif problem_of and (problem := problem_of(str(item))):
                self.problem(key, problem)
        return list(map(str, good))

    def _complain(self, key: str, item: object) -> bool:
        """Say that an item is no string; returns False."""
        if isinstance(item, int | float) and not isinstance(item, bool):
            quoted = "3.10" if item == 3.1 else item
            self.problem(key, f'{item!r} is a number, and YAML reads a bare 3.10 as 3.1; quote it, as in "{quoted}"')
        else:
            self.problem(key, f"{item!r} is not a string; write a plain string")
        return False
