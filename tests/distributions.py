"""Names, versions and needs -> wheels and sdists: real ones for the tests, with the same bytes each time."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.tags import parse_tag
from packaging.utils import canonicalize_name
from packaging.version import Version

# PEP 517 hooks without any need: pip builds such an sdist offline, in an empty environment.
BACKEND = """\
import io
import zipfile
from pathlib import Path


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    with zipfile.ZipFile(io.BytesIO(WHEEL)) as archive:
        info = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        archive.extract(info, metadata_directory)
    return info.partition("/")[0]


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    Path(wheel_directory, FILENAME).write_bytes(WHEEL)
    return FILENAME


"""
PYPROJECT = '[build-system]\nrequires = {}\nbuild-backend = "backend"\nbackend-path = ["."]\n'


@dataclass(frozen=True)
class Distribution:
    """One file of an index; `metadata` is the exact METADATA of a wheel, or PKG-INFO of an sdist."""

    filename: str
    data: bytes
    metadata: bytes

    @property
    def sha256(self) -> str:
        """The hex digest, as a lock names it."""
        return hashlib.sha256(self.data).hexdigest()

    def save(self, folder: Path) -> Path:
        """Write the file into a folder under its own name."""
        path = folder / self.filename
        path.write_bytes(self.data)
        return path


def _stem(name: str, version: str) -> str:
    return f"{canonicalize_name(name).replace('-', '_')}-{Version(version)}"


def _for_extra(requirement: str, extra: str) -> str:
    need, _, marker = requirement.partition(";")
    return f'{need}; ({marker.strip()}) and extra == "{extra}"' if marker else f'{need}; extra == "{extra}"'


def core_metadata(
    name: str,
    version: str,
    requires: Sequence[str] = (),
    requires_python: str | None = None,
    extras: Mapping[str, Sequence[str]] = {},
    headers: str = "",
) -> bytes:
    """Return a METADATA file (core metadata specification); `headers` are further lines of it."""
    lines = ["Metadata-Version: 2.4", f"Name: {name}", f"Version: {version}", *headers.splitlines()]
    lines += [f"Requires-Python: {requires_python}"] if requires_python is not None else []
    lines += [f"Requires-Dist: {requirement}" for requirement in requires]
    for extra, needs in extras.items():
        lines += [f"Provides-Extra: {extra}"]
        lines += [f"Requires-Dist: {_for_extra(need, extra)}" for need in needs]
    return "\n".join([*lines, ""]).encode()


def _wheel_file(tag: str, build: str | None) -> bytes:
    lines = [
        "Wheel-Version: 1.0",
        "Generator: tests",
        f"Root-Is-Purelib: {str(tag.endswith('-any')).lower()}",
    ]
    lines += [f"Tag: {each}" for each in sorted(map(str, parse_tag(tag)))]
    lines += [f"Build: {build}"] if build else []
    return "\n".join([*lines, ""]).encode()


def _zip(members: Mapping[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data)  # a ZipInfo's own time is 1980, not now
    return stream.getvalue()


def _record_row(name: str, data: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return f"{name},sha256={digest},{len(data)}\n"


def wheel(
    name: str,
    version: str,
    *,
    requires: Sequence[str] = (),
    requires_python: str | None = None,
    tag: str = "py3-none-any",
    build: str | None = None,
    extras: Mapping[str, Sequence[str]] = {},
    files: Mapping[str, bytes] = {},
    metadata: bytes | None = None,
    metadata_headers: str = "",
    filename: str | None = None,
) -> Distribution:
    """Return a wheel; `metadata` and `filename` replace the true ones, for a wheel that lies."""
    stem = _stem(name, version)
    if metadata is None:
        metadata = core_metadata(name, version, requires, requires_python, extras, metadata_headers)
    members = dict(files) or {f"{stem.partition('-')[0]}.py": f'__version__ = "{version}"\n'.encode()}
    members[f"{stem}.dist-info/METADATA"] = metadata
    members[f"{stem}.dist-info/WHEEL"] = _wheel_file(tag, build)
    record = f"{stem}.dist-info/RECORD"
    rows = "".join(_record_row(*member) for member in members.items()) + f"{record},,\n"
    own_name = "-".join(filter(None, [stem, build, tag])) + ".whl"
    return Distribution(filename or own_name, _zip({**members, record: rows.encode()}), metadata)


def _tar_gz(members: Mapping[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return gzip.compress(stream.getvalue(), mtime=0)


def sdist(
    name: str,
    version: str,
    *,
    requires: Sequence[str] = (),
    requires_python: str | None = None,
    trace: Path | None = None,
    build_backend_in_tree: bool = False,
    build_requires: Sequence[str] = (),
) -> Distribution:
    """Return an sdist whose code, when any of it is run, touches `trace`.

    With a setup.py alone, pip first looks for setuptools on the index and stops when there is none. With the
    backend in its tree there is nothing to look for, so its code does run: the sharper trap.
    """
    built = wheel(name, version, requires=requires, requires_python=requires_python)
    touch = f"import pathlib\npathlib.Path({str(trace)!r}).touch()\n" if trace else ""
    setup = f"{touch}from setuptools import setup\nsetup(name={name!r}, version={version!r}, py_modules=[])\n"
    members = {"PKG-INFO": built.metadata, "setup.py": setup.encode()}
    if build_backend_in_tree:
        backend = f"{touch}{BACKEND}FILENAME = {built.filename!r}\nWHEEL = {built.data!r}\n"
        members |= {"pyproject.toml": PYPROJECT.format(list(build_requires)).encode(), "backend.py": backend.encode()}
    stem = _stem(name, version)
    data = _tar_gz({f"{stem}/{member}": content for member, content in members.items()})
    return Distribution(f"{stem}.tar.gz", data, built.metadata)
