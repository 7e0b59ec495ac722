"""Python version and platform -> wheel tags and marker environment: what a machine of that kind accepts.

A target is written `3.12-manylinux_2_28_x86_64` or `3.14t-win_arm64`. Its platform is the newest one that a
wheel may ask for; the older ones that such a machine has are accepted too (PEP 425 tags, PEP 508 markers).
"""

from __future__ import annotations

import difflib
import re
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

from packaging.tags import Tag, compatible_tags, cpython_tags, mac_platforms, parse_tag, platform_tags

_WINDOWS = {"win_amd64": "AMD64", "win_arm64": "ARM64", "win32": "x86"}  # what platform.machine() says there
_SYSTEMS = {"win": ("nt", "win32", "Windows"), "mac": ("posix", "darwin", "Darwin")}
_ALIASES = {  # PEP 599, 571, 513
    "manylinux_2_17": "manylinux2014",
    "manylinux_2_12": "manylinux2010",
    "manylinux_2_5": "manylinux1",
}
_PYTHON = re.compile(r"3\.(8|9|1[0-5])(\.(0|[1-9][0-9]?))?(?P<free_threaded>t?)")
_LINUX_CPU = "x86_64|i686|aarch64|armv7l|ppc64le|s390x|riscv64|loongarch64"
_LINUX = re.compile(rf"(manylinux_2|musllinux_1)_(0|[1-9][0-9]?)_({_LINUX_CPU})")
_MAC = re.compile(r"macosx_([1-9][0-9])_(0|[1-9][0-9]?)_(x86_64|arm64)")

_OTHER_NAMES = (  # the same CPU goes by another name on another system
    *(("amd64", "x86_64"), ("x86_64", "amd64"), ("x64", "amd64"), ("win64", "win_amd64")),
    *(("arm64", "aarch64"), ("aarch64", "arm64"), ("i386", "i686")),
)
_EXAMPLES = (
    *("manylinux_2_28_x86_64", "manylinux_2_28_aarch64", "musllinux_1_2_x86_64", "musllinux_1_2_aarch64"),
    *("macosx_14_0_arm64", "macosx_14_0_x86_64", "win_amd64", "win_arm64", "win32"),
)


def _linux_tags(platform: str) -> Iterator[str]:
    """Yield the native tag, then that of each libc that a platform has, down to the oldest; none for another platform.

    `packaging` tells these only of the machine that runs it; the native tag is its first since 26.3.
    """
    for standard, alias in _ALIASES.items():
        platform = platform.replace(f"{alias}_", f"{standard}_")
    if not (match := _LINUX.fullmatch(platform)):
        return
    libc, newest, cpu = match.groups()
    oldest = 0 if libc == "musllinux_1" else 5 if cpu in {"x86_64", "i686"} else 17
    minors = range(int(newest), oldest - 1, -1)
    if minors:
        yield f"linux_{cpu}"
    for name in (f"{libc}_{minor}" for minor in minors):
        yield f"{name}_{cpu}"
        if name in _ALIASES:
            yield f"{_ALIASES[name]}_{cpu}"


def _accepted(platform: str) -> tuple[str, ...]:
    """Every platform tag that such a machine accepts, best first; none if there is no such machine."""
    if platform in _WINDOWS:
        return (platform,)
    if not (mac := _MAC.fullmatch(platform)):
        return tuple(_linux_tags(platform))
    version, cpu = (int(mac[1]), int(mac[2])), mac[3]
    return () if cpu == "arm64" and version < (11, 0) else tuple(mac_platforms(version, cpu))


def _nearest(text: str) -> str:
    text = re.sub("[-. ]", "_", text.lower())
    renamed = (text.replace(name, other) for name, other in _OTHER_NAMES)
    similar = difflib.get_close_matches(text, _EXAMPLES, n=1)
    return next(filter(_accepted, (text, *renamed, *similar, _EXAMPLES[0])))


def python_problem(text: str) -> str | None:
    """Why this is not a supported Python version, as `fact; what to do`, or None."""
    match = _PYTHON.fullmatch(text)
    if not match:
        return f'"{text}" is not a CPython from 3.8 to 3.15; write it as "3.12", or "3.14t" for a free-threaded build'
    if match["free_threaded"] and int(match[1]) < 13:
        return f'"{text}" does not exist: free-threaded builds begin with 3.13; write it as "{text[:-1]}"'
    return None


def platform_problem(text: str) -> str | None:
    """Why this is not a supported platform, as `fact; what to do`, or None."""
    if _accepted(text):
        return None
    if not text.startswith("linux"):
        return f'"{text}" is not a supported platform; write a name such as "{_nearest(text)}"'
    glibc = _nearest(text.replace("linux", "manylinux_2_28", 1))
    musl = glibc.replace("manylinux_2_28", "musllinux_1_2")
    return f'"{text}" names no C library; write "{glibc}" for glibc, or "{musl}" for musl'


_parsed = lru_cache(1_000)(parse_tag)  # most wheels have the tags of many others


def tags_of(filename: str) -> frozenset[Tag]:
    """Return the tags of a wheel, with which its name ends (PEP 425); the name has to be one that was parsed before.

    Raises ValueError where it does not end in `.whl`.
    """
    if not filename.endswith(".whl"):
        raise ValueError(f"{filename} is not the name of a wheel")
    return _parsed("-".join(filename.removesuffix(".whl").split("-")[-3:]))


@dataclass(frozen=True)
class Target:
    """One Python version on one platform. ValueError, as `fact; what to do`, if there is no such machine."""

    python: str
    platform: str

    def __post_init__(self) -> None:
        """Refuse what no machine is."""
        if problem := python_problem(self.python) or platform_problem(self.platform):
            raise ValueError(problem)

    @classmethod
    def parse(cls, text: str) -> Target:
        """The target of that name, such as the stem of a lock's path."""
        python, _, platform = text.partition("-")
        return cls(python, platform)

    def __str__(self) -> str:
        """Its name, which `parse` reads."""
        return f"{self.python}-{self.platform}"

    @property
    def version(self) -> tuple[int, int, int]:
        """Major, minor, patch. A patch not named is 0, as in uv: every machine has that one or a newer."""
        major, minor, *patch = map(int, self.python.removesuffix("t").split("."))
        return major, minor, patch[0] if patch else 0

    @property
    def abi(self) -> str:
        """The ABI tag of this Python itself, such as `cp312` or `cp314t`."""
        return "cp{}{}".format(*self.version) + "t" * self.python.endswith("t")

    @cached_property
    def platforms(self) -> tuple[str, ...]:
        """Every platform tag that it accepts, best first, as `packaging.tags.platform_tags` says there."""
        return _accepted(self.platform)

    @cached_property
    def tags(self) -> tuple[Tag, ...]:
        """Every tag that it accepts, best first, as `packaging.tags.sys_tags` says there."""
        minor, interpreter = self.version[:2], self.abi.removesuffix("t")
        native = cpython_tags(minor, [self.abi], self.platforms)
        return (*native, *compatible_tags(minor, interpreter, self.platforms))

    @cached_property
    def _tag_set(self) -> frozenset[Tag]:
        return frozenset(self.tags)

    def accepts(self, filename: str) -> bool:
        """Whether a tag of this wheel fits, which says nothing about its Requires-Python."""
        return not self._tag_set.isdisjoint(tags_of(filename))

    @property
    def environment(self) -> dict[str, str]:
        """The values of PEP 508's marker variables.

        The operating system's release and version differ between machines of one kind. They are "", as where
        Python cannot tell them: no bound on them holds.
        """
        full_version = ".".join(map(str, self.version))
        os_name, sys_platform, system = _SYSTEMS.get(self.platform[:3], ("posix", "linux", "Linux"))
        machine = _WINDOWS.get(self.platform) or re.sub("^[a-z]+[0-9_]*_", "", self.platform)
        return {
            "implementation_name": "cpython",
            "implementation_version": full_version,
            "os_name": os_name,
            "platform_machine": machine,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": system,
            "platform_version": "",
            "python_full_version": full_version,
            "python_version": full_version.rpartition(".")[0],
            "sys_platform": sys_platform,
        }


def host_python() -> str:
    """The Python that runs this, as a target names it."""
    free_threaded = sysconfig.get_config_var("Py_GIL_DISABLED")
    return "{}.{}".format(*sys.version_info) + "t" * bool(free_threaded)


def host_platform() -> str:
    """The machine that runs this, as a target names it. SystemExit if no name fits."""
    for platform in platform_tags():
        if _accepted(platform):
            return platform
    raise SystemExit(f"{sysconfig.get_platform()} is no supported platform; name one in packages.yaml")
