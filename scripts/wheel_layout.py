"""A wheel's entries -> its dist-info: when no name escapes, and no two are installed in one place.

After the binary distribution format (PEP 427): what lies in the root goes to site-packages, what lies in
`<name>-<version>.data/<scheme>/` goes to the folder of that scheme. Copies of other projects deep inside a package,
with their dist-infos, are common (setuptools and its like) and no installer minds them, so they are accepted.
A dist-info that would be installed beside the wheel's own, or inside of it, is not.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterable, Sequence
from unicodedata import normalize

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from scripts.zip_layout import Entry, UnsoundError, shown

REQUIRED = ("METADATA", "WHEEL", "RECORD")
_SCHEMES = {"purelib", "platlib", "headers", "scripts", "data"}
# What schemes share: site-packages and the folder of scripts lie inside the folder that `data` goes to.
_SITE = re.compile(r"^[^/]+\.data/(purelib|platlib|data/lib(64)?/(python3[^/]*/)?(site|dist)-packages)/(?=.)")
_SCRIPTS = re.compile(r"^([^/]+\.data)/(scripts|data/(bin|scripts))/(?=.)")
# Licences of bundled projects do lie in `licenses/…/<name>.dist-info/`: what makes a dist-info is its METADATA.
_NESTED = re.compile(r"[^/]+\.dist-info/(.*/)?[^/]+\.dist-info/(METADATA|RECORD|WHEEL)", re.IGNORECASE)


def same_release(folder: str, name: str, version: str) -> bool:
    """Tell whether `<name>-<version>` is another spelling of a file name's first two parts."""
    found_name, _, found_version = folder.partition("-")
    try:
        same_version = Version(found_version.replace("_", "-")) == Version(version.replace("_", "-"))
    except InvalidVersion:
        return False
    return same_version and canonicalize_name(found_name) == canonicalize_name(name)


def _check_name(name: str) -> None:
    parts = name.removesuffix("/").split("/")
    if not name.isprintable():
        raise UnsoundError(f"holds {shown(name)}, a name with characters that do not print")
    if name.startswith("/"):
        raise UnsoundError(f"holds {shown(name)}, an absolute name")
    if ".." in parts:
        raise UnsoundError(f"holds {shown(name)}, which leads out of the folder that it is unpacked into")
    if "" in parts or "." in parts:
        raise UnsoundError(f"holds {shown(name)}, a name with a part that says nothing")
    if "\\" in name or ":" in name or any(part.endswith((".", " ")) for part in parts):
        raise UnsoundError(f"holds {shown(name)}, a name that means another place on Windows")


def _check_kind(entry: Entry) -> None:
    kind = stat.S_IFMT(entry.attributes >> 16)
    is_folder = entry.name.endswith("/")
    if kind == stat.S_IFLNK:
        raise UnsoundError(f"holds {shown(entry.name)}, a symbolic link")
    if kind not in {0, stat.S_IFDIR if is_folder else stat.S_IFREG}:
        raise UnsoundError(
            f"holds {shown(entry.name)}, whose mode is not that of a {'folder' if is_folder else 'file'}"
        )
    if is_folder and entry.size:
        raise UnsoundError(f"holds {shown(entry.name)}, a folder with bytes of its own")


def _folded(name: str) -> str:
    """Return what is the same for all names that a file system may take for one: macOS and Windows ignore case."""
    return normalize("NFC", normalize("NFC", name).casefold())


def _place(name: str) -> str:
    place, moved = _SITE.subn("", _folded(name).removesuffix("/"), count=1)
    return place if moved else _SCRIPTS.sub(r"\1/scripts/", place, count=1)


def _parents(place: str) -> Iterable[str]:
    while place := place.rpartition("/")[0]:
        yield place


def _check_places(names: Sequence[str]) -> None:
    """Refuse entries of which one overwrites the other when the wheel is installed."""
    files: dict[str, str] = {}
    for name in names:
        if name.endswith("/"):
            continue
        if other := files.get(place := _place(name)):
            raise UnsoundError(f"holds {shown(other)} and {shown(name)}, which some systems install in one place")
        files[place] = name
    for name in names:
        place = _place(name)
        for folder in (*_parents(place), *([place] if name.endswith("/") else [])):
            if other := files.get(folder):
                raise UnsoundError(f"holds {shown(other)} and {shown(name)}, a file and a folder in one place")


def _check_twice(names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise UnsoundError(f"holds {shown(name)} twice")
        seen.add(name)


def _check_data(name: str, stem: str) -> None:
    """Refuse what is in a data folder of another name, or in none of its schemes, or is a second dist-info."""
    folder, _, rest = name.partition("/")
    if not rest or not folder.casefold().endswith(".data"):
        return
    if folder != f"{stem}.data":
        raise UnsoundError(f"holds {shown(name)}; its data folder is named {stem}.data")
    scheme, _, inner = rest.partition("/")
    if scheme not in _SCHEMES or not (inner or name.endswith("/")):
        raise UnsoundError(f"holds {shown(name)}, which is in no scheme of a data folder")
    if _place(name).partition("/")[0].endswith(".dist-info"):
        raise UnsoundError(f"holds {shown(name)}, which would be installed beside its own dist-info")


def _dist_info(filename: str, names: Sequence[str]) -> str:
    tops = {name.partition("/")[0] for name in names}
    found = sorted(top for top in tops if top.casefold().endswith(".dist-info"))
    if len(found) != 1:
        raise UnsoundError(f"holds {len(found)} dist-info folders; a wheel holds one")
    if not same_release(found[0].removesuffix(".dist-info"), *filename.split("-")[:2]):
        raise UnsoundError(f"holds {found[0]}, which its name does not match")
    return found[0]


def dist_info(filename: str, entries: Sequence[Entry]) -> str:
    """Return the dist-info folder; raises UnsoundError where names or kinds are hostile or files are missing."""
    names = [entry.name for entry in entries]
    for entry in entries:
        _check_name(entry.name)
        _check_kind(entry)
    _check_twice(names)
    folder = _dist_info(filename, names)
    for name in names:
        _check_data(name, folder.removesuffix(".dist-info"))
        if _NESTED.fullmatch(name):
            raise UnsoundError(f"holds {shown(name)}, a dist-info inside its own")
    if missing := sorted({f"{folder}/{name}" for name in REQUIRED}.difference(names)):
        raise UnsoundError(f"holds no {missing[0]}")
    _check_places(names)
    return folder
