"""Requirement files -> requirement sets: reads them and refuses whatever would open a side door.

pip's requirement file format allows much more than a list of requirements: direct URLs, VCS checkouts, local paths,
other indexes, environment variables. Each of these brings in something that nobody reviewed, so that only names with
extras, specifier, marker and comment are left, and `-r` and `-c` of another file in the checkout.
"""

from __future__ import annotations

import operator
import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

_COMMENT = re.compile(r"(^|\s)#(?P<text>.*)$")
_INCLUDE = re.compile(r"(?P<flag>-[rc]\s*|--(?:requirement|constraint)(?:\s*=\s*|\s+))(?P<path>\S.*)")
# A path becomes an argument of pip-compile, and a comment in the lock.
_PLAIN_PATH = re.compile(r"(?!-)[A-Za-z0-9._+/ -]+")
# To parse these takes twenty times as long, and of a hundred thousand files most may be asked for so.
_PLAIN_PIN = re.compile(r"([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)==([0-9]+(?:\.[0-9]+)*)")
_PROJECT_FILES = ("setup.py", "setup.cfg", "pyproject.toml")
_PATH_LIKE = re.compile(r"^[./~\\]|^[A-Za-z]:\\|\.(whl|zip|tar\.\w+|tgz)$")


class Line(NamedTuple):
    """One requirement, where it stands, and the comment that its author gave it.

    text is the requirement as `packaging` writes it, name the project's normalised name, and pin the version where it
    is `==` one version, else None. Parsed, a hundred thousand of them would take a hundred megabytes.
    """

    path: str
    number: int
    text: str
    name: str
    pin: str | None
    comment: str = ""

    @property
    def where(self) -> str:
        """`file:line`, as errors begin; requirements written in packages.yaml have no line of their own."""
        return f"{self.path}:{self.number}" if self.number else f"{self.path}: packages"

    @property
    def requirement(self) -> Requirement:
        """The requirement, parsed anew."""
        return Requirement(self.text)

    def holds(self, environment: dict[str, str]) -> bool:
        """Whether its marker, if it has one, holds in a target's environment."""
        marker = self.requirement.marker
        return marker is None or marker.evaluate(environment)


def _pin(requirement: Requirement) -> str | None:
    specifiers = list(requirement.specifier)
    if len(specifiers) != 1 or specifiers[0].operator != "==" or specifiers[0].version.endswith(".*"):
        return None
    return sys.intern(specifiers[0].version)


def plain_pin(text: str) -> tuple[str, str] | None:
    """Return the normalised name, and the version as it is written, of what is nothing else; None for all others."""
    found = _PLAIN_PIN.fullmatch(text)
    return (sys.intern(canonicalize_name(found[1])), sys.intern(found[2])) if found else None


def line_of(path: str, number: int, requirement: Requirement, comment: str = "") -> Line:
    """Return the line of a requirement."""
    name = sys.intern(canonicalize_name(requirement.name))
    return Line(path, number, str(requirement), name, _pin(requirement), comment)


class RequirementFile(NamedTuple):
    """One file: its requirements, and the files that it includes as (`-r` or `-c`, path)."""

    path: str
    lines: tuple[Line, ...]
    includes: tuple[tuple[str, str], ...] = ()


class RequirementSet(NamedTuple):
    """Requirements that are solved together: the file that was named comes first, what it includes follows."""

    name: str
    files: tuple[RequirementFile, ...]

    @property
    def constraint_paths(self) -> frozenset[str]:
        """The files whose lines only constrain, because nothing reaches them through `-r`."""
        required = {to for file in self.files for flag, to in file.includes if flag == "-r"}
        return frozenset(file.path for file in self.files[1:]) - required

    @property
    def lines(self) -> tuple[Line, ...]:
        """Every requirement of every file that is not a constraint."""
        constraints = self.constraint_paths
        return tuple(line for file in self.files if file.path not in constraints for line in file.lines)


def _logical_lines(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield (line number, text, comment): a backslash at the end joins the next line, as in pip."""
    number, joined = 0, ""
    for count, physical in enumerate(text.splitlines(), start=1):
        number = number or count
        if physical.endswith("\\") and not physical.lstrip().startswith("#"):
            joined += physical[:-1]
            continue
        line = joined + physical
        comment = _COMMENT.search(line)
        yield number, _COMMENT.sub("", line).strip(), comment["text"].strip() if comment else ""
        number, joined = 0, ""
    if joined.strip():
        yield number, joined.strip(), ""


def parse_requirement(text: str) -> Requirement | str:
    """Return the requirement, or `fact; what to do` where the text is none or opens a side door."""
    if text.splitlines()[1:]:
        return f"{text!r} has several lines; write each requirement as an item of its own"
    if _COMMENT.search(text):
        return f"{text!r} holds a comment, where YAML sees none; write it outside the quotes"
    if "${" in text:
        return f"{text!r} reads the environment, which differs from machine to machine; write the value itself"
    if text.startswith("-"):
        option = re.split(r"[\s=]", text, maxsplit=1)[0]
        return f"{option} is not allowed, it would be a side door past the review; remove it"
    if "://" in text or _PATH_LIKE.search(text):
        return f"{text!r} is a URL or a path, a side door past the review; name a project of the index instead"
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        reason = str(error).splitlines()[0]
        return f"{text!r} is not a requirement ({reason}); write it as name, name==1.2 or name[extra]>=1; marker"
    if requirement.url:
        return f"{text!r} is a direct reference, a side door past the review; name a version instead"
    return requirement


def _resolved(path: Path) -> Path:
    return Path(os.path.realpath(path))  # Path.resolve raises RuntimeError for links in a circle, until 3.13


def _include(root: Path, base: str, flag: str, target: str) -> str:
    """Return the included file's path from the checkout's root; raises ValueError with `fact; what to do`."""
    target = target.strip("\"'")
    if "://" in target or "${" in target or target.startswith("-"):
        raise ValueError(f"{flag} {target} is not a file of the checkout; copy it into the checkout")
    path = _resolved(root / PurePosixPath(base).parent / target)
    if not path.is_relative_to(_resolved(root)):
        raise ValueError(f"{flag} {target} is outside the checkout; copy it into the checkout")
    if not path.is_file():
        raise ValueError(f"{flag} {target}: no such file; correct the path")
    return path.relative_to(_resolved(root)).as_posix()


def _path_problem(root: Path, path: str) -> str | None:
    if not _PLAIN_PATH.fullmatch(path):
        return 'not a plain path; use letters, digits, space and "._+-/", and no "-" at the beginning'
    if not _resolved(root / path).is_relative_to(_resolved(root)):
        return "a link out of the checkout; copy the file into the checkout"
    if PurePosixPath(path).name in _PROJECT_FILES:
        return "pip-compile takes that name for a project, and would build it; rename the file"
    return None


def _read_text(root: Path, path: str) -> str:
    """Return a requirement file's text; raises ValueError with `fact; what to do`."""
    if problem := _path_problem(root, path):
        raise ValueError(problem)
    try:
        return (root / path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("not UTF-8 text; save it as UTF-8") from None
    except OSError as error:
        raise ValueError(f"{error.strerror}; create it") from None


def _read_line(root: Path, path: str, line: str) -> Requirement | tuple[str, str]:
    """Return a line's requirement, or what it includes as (flag, path); raises ValueError with `fact; what to do`."""
    if include := _INCLUDE.fullmatch(line):
        flag = "-" + include["flag"].lstrip("-")[0]
        return flag, _include(root, path, flag, include["path"])
    requirement = parse_requirement(line)
    if isinstance(requirement, str):
        raise ValueError(requirement)
    return requirement


def _read_file(root: Path, path: str, problems: list[str]) -> RequirementFile:
    lines: list[Line] = []
    includes: list[tuple[str, str]] = []
    try:
        text = _read_text(root, path)
    except ValueError as error:
        problems.append(f"{path if path.isprintable() else repr(path)}: {error}")
        return RequirementFile(path, ())
    for number, line, comment in filter(operator.itemgetter(1), _logical_lines(text)):
        if plain := plain_pin(line):
            lines.append(Line(path, number, line, *plain, comment))
            continue
        try:
            found = _read_line(root, path, line)
        except ValueError as error:
            problems.append(f"{path}:{number}: {error}")
            continue
        if isinstance(found, tuple):
            includes.append(found)
        else:
            lines.append(line_of(path, number, found, comment))
    return RequirementFile(path, tuple(lines), tuple(includes))


def read_set(root: Path, path: str, problems: list[str]) -> RequirementSet:
    """Read one requirement file and all that it includes; what is wrong is added to problems as `file:line: …`.

    root is the checkout, path is relative to it, with `/`. The set is named after the file's stem.
    """
    files: dict[str, RequirementFile] = {}
    todo, known_problems = [path], len(problems)
    while todo:
        file = _read_file(root, todo.pop(0), problems)
        files[file.path] = file
        todo += dict.fromkeys(to for _, to in file.includes if to not in files and to not in todo)
    result = RequirementSet(PurePosixPath(path).stem, tuple(files.values()))
    if len(problems) == known_problems and not result.lines:
        problems.append(f"{path}: no requirements; write the first one, such as requests==2.32.5")
    return result


def pin_problems(requirements: Sequence[Line]) -> list[str]:
    """Name each requirement that leaves a choice, which `resolve_deps: false` does not allow."""
    return [
        f"{line.where}: {line.text} names no single version; "
        f"write {line.name}==<version>, or set resolve_deps: true in packages.yaml"
        for line in requirements
        if line.pin is None
    ]
