"""A wheel -> what it would put where, when it is installed: read from its list of files, without running any of it.

After the binary distribution format (PEP 427): the root goes to site-packages, `<name>.data/<scheme>/` to the folder of
that scheme. `data` is the environment itself, so that its files may lie anywhere in it, site-packages included.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from configparser import ConfigParser
from configparser import Error as ConfigError
from pathlib import Path
from typing import NamedTuple

from scripts import distribution
from scripts.core_metadata import About

_SCHEME = re.compile(r"[^/]+\.data/(?P<scheme>[^/]+)/(?P<rest>.+)")
_SITE_IN_DATA = re.compile(r"(lib(64)?/(python3[^/]*/)?)(site|dist)-packages/(?P<rest>.+)", re.IGNORECASE)
_SCRIPTS_IN_DATA = re.compile(r"(bin|scripts)/(?P<rest>[^/]+)", re.IGNORECASE)
# What `site` reads or imports at each start of Python, wherever it is asked for: .pth files, their successors
# (PEP 829), and two modules.
_STARTUP = re.compile(r"[^/]+\.(pth|start|site\.toml)|(sitecustomize|usercustomize)(\.[^/]+|/__init__\.[^/]+)", re.I)
_NATIVE = re.compile(r".+\.(so|pyd|dll|dylib|exe)(\.[0-9.]+)?", re.IGNORECASE)
_MODULE = re.compile(r"(?P<name>[^/.]+)\.(py|pyc|so|pyd|[^/]+\.(so|pyd))", re.IGNORECASE)
_MAX_ENTRY_POINTS = 2**20


class Inside(NamedTuple):
    """What a wheel brings: names that can be imported, commands, groups of further entry points, files that run at
    each start of Python, native code, files outside of site-packages, and each file with its checksum. All of it is
    untrusted text.
    """

    names: frozenset[str] = frozenset()
    commands: frozenset[str] = frozenset()
    plugins: frozenset[str] = frozenset()
    startup: frozenset[str] = frozenset()
    native: frozenset[str] = frozenset()
    elsewhere: frozenset[str] = frozenset()
    contents: frozenset[tuple[str, int]] = frozenset()


def _placed(name: str) -> tuple[str, str]:
    """Return where a file goes: (`site`, `scripts` or `elsewhere`, path in it)."""
    found = _SCHEME.fullmatch(name)
    if not found:
        return "site", name
    scheme, rest = found["scheme"], found["rest"]
    if scheme in {"purelib", "platlib"}:
        return "site", rest
    if scheme == "data" and (site := _SITE_IN_DATA.fullmatch(rest)):
        return "site", site["rest"]
    if scheme == "data" and (script := _SCRIPTS_IN_DATA.fullmatch(rest)):
        return "scripts", script["rest"]
    return ("scripts", rest) if scheme == "scripts" else ("elsewhere", rest)


def _top_names(site: set[str]) -> Iterator[str]:
    for path in site:
        top, is_folder, _ = path.partition("/")
        if is_folder and not top.endswith((".dist-info", ".libs")):
            yield top
        elif not is_folder and (module := _MODULE.fullmatch(top)):
            yield module["name"]


def _entry_points(text: str) -> tuple[frozenset[str], frozenset[str]]:
    """Return the commands and the other groups of an entry_points.txt; raises ValueError where it is none."""
    parser = ConfigParser(delimiters=("=",), interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign] # names are as they are written
    try:
        parser.read_string(text)
    except ConfigError:
        raise ValueError("holds an entry_points.txt that cannot be read") from None
    groups = {"console_scripts", "gui_scripts"}
    commands = (name for group in groups & set(parser.sections()) for name in parser[group])
    return frozenset(commands), frozenset(parser.sections()) - groups


def _read_entry_points(opened: zipfile.ZipFile, names: list[str]) -> tuple[frozenset[str], frozenset[str]]:
    found = [name for name in names if re.fullmatch(r"[^/]+\.dist-info/entry_points\.txt", name)]
    if not found:
        return frozenset(), frozenset()
    if opened.getinfo(found[0]).file_size > _MAX_ENTRY_POINTS:
        raise ValueError("holds an entry_points.txt that is too large")
    return _entry_points(opened.read(found[0]).decode("utf-8", "replace"))


def _read(path: Path) -> Inside:
    with zipfile.ZipFile(path) as opened:
        contents = {entry.filename: entry.CRC for entry in opened.infolist() if not entry.is_dir()}
        names = list(contents)
        commands, plugins = _read_entry_points(opened, names)
    places: dict[str, set[str]] = {"site": set(), "scripts": set(), "elsewhere": set()}
    for name in names:
        place, rest = _placed(name)
        places[place].add(rest)
    return Inside(
        frozenset(_top_names(places["site"])),
        commands | places["scripts"],
        plugins,
        frozenset(rest for rest in places["site"] if _STARTUP.fullmatch(rest)),
        frozenset(name for name in names if _NATIVE.fullmatch(name)),
        frozenset(places["elsewhere"]),
        frozenset(contents.items()),
    )


def look(path: Path, sha256: str) -> tuple[About, Inside | None]:
    """Return what a file says of itself and what is in it; None for an sdist, of which only a build would tell that.

    Raises ValueError with a sentence where it is not sound, or not what its name says.
    """
    about = distribution.read(path, sha256).about
    try:
        return about, _read(path) if path.name.endswith(".whl") else None
    except ValueError as error:
        raise ValueError(f"{path.name} {error}") from None
