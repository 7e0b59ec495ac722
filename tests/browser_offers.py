"""An offer as a company may have it: for the tests of the pages for people and the pictures of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scripts.core_metadata import About
from scripts.distribution import Distribution, parse_filename
from scripts.facts import Facts, Status
from scripts.history import Change, Entry
from scripts.list_files import File
from scripts.locks import Key
from scripts.manifest import fact_of
from scripts.offer import Offer
from scripts.target import Target
from scripts.why import Chain

RELEASE, TIME = "20261122T130110Z-504ab3a40294", "2026-11-22T13:01:10Z"
PYTHONS = ("3.11", "3.12", "3.13")
PLATFORMS = ("manylinux_2_28_x86_64", "macosx_14_0_arm64", "win_amd64")
KEYS = tuple(Key("requirements", Target(python, platform)) for python in PYTHONS for platform in PLATFORMS)
_NOTHING = About()
UPLOADED = Facts("2026-09-03T10:11:12.123456Z", approved=TIME)


def file(
    filename: str,
    *,
    requires: Sequence[str] = (),
    requires_python: str | None = ">=3.9",
    about: About = _NOTHING,
    facts: Facts = UPLOADED,
    serves: Iterable[Key] = KEYS,
) -> File:
    """Return a file of that name, with contents that nobody reads."""
    name, version = parse_filename(filename)
    sha256 = hashlib.sha256(filename.encode()).hexdigest()
    metadata = fact_of(b"Metadata-Version: 2.4\n") if filename.endswith(".whl") else None
    size = 4_000 + int(sha256[:4], 16) * 9
    one = Distribution(filename, name, version, sha256, size, metadata, tuple(requires), requires_python, about)
    return File(one, facts, tuple(serves))


# name | versions from the newest | summary | licence | what it needs, separated by two spaces
_PROJECTS = """\
annotated-types | 0.7.0 | Reusable constraint types to use with typing.Annotated | MIT |
blinker | 1.9.0 | Fast, simple object-to-object and broadcast signaling | MIT |
certifi | 2026.10.18 | Python package for providing Mozilla's CA Bundle. | MPL-2.0 |
charset-normalizer | 3.5.2 | The Real First Universal Charset Detector. | MIT |
click | 8.5.1 | Composable command line interface toolkit | BSD-3-Clause | colorama; sys_platform == 'win32'
colorama | 0.4.6 | Cross-platform colored terminal text. | BSD-3-Clause |
flask | 3.1.3 3.0.3 | A simple framework for building complex web applications. | BSD-3-Clause | blinker>=1.9.0  \
click>=8.1.3  importlib-metadata>=3.6.0; python_version < '3.10'  itsdangerous>=2.2.0  jinja2>=3.1.2  \
markupsafe>=2.1.1  werkzeug>=3.1.0  asgiref>=3.2; extra == 'async'  python-dotenv; extra == 'dotenv'
greenlet | 3.3.0 | Lightweight in-process concurrent programming | MIT AND PSF-2.0 |
idna | 3.20 | Internationalized Domain Names in Applications (IDNA) | BSD-3-Clause |
itsdangerous | 2.2.0 | Safely pass data to untrusted environments and back. | BSD-3-Clause |
jinja2 | 3.1.6 | A very fast and expressive template engine. | BSD-3-Clause | markupsafe>=2.0
markdown-it-py | 4.3.0 | Python port of markdown-it. Markdown parsing, done right! | MIT | mdurl~=0.1
markupsafe | 3.0.4 | Safely add untrusted strings to HTML/XML markup. | BSD-3-Clause |
mdurl | 0.1.2 | Markdown URL utilities | MIT |
numpy | 2.4.1 1.26.4 | Fundamental package for array computing in Python | BSD-3-Clause |
pandas | 3.0.0 | Powerful data structures for data analysis, time series, and statistics | BSD-3-Clause | \
numpy>=1.26.0  python-dateutil>=2.8.2  tzdata; sys_platform == 'win32'
pydantic | 2.12.4 | Data validation using Python type hints | MIT | annotated-types>=0.6.0  pydantic-core==2.41.5  \
typing-extensions>=4.14.1
pydantic-core | 2.41.5 | Core functionality for Pydantic validation and serialization | MIT | typing-extensions>=4.14.1
pygments | 2.21.0 | Pygments is a syntax highlighting package written in Python. | BSD-2-Clause |
python-dateutil | 2.9.0.post0 | Extensions to the standard Python datetime module | BSD, Apache | six>=1.5
pyyaml | 6.0.3 | YAML parser and emitter for Python | MIT |
requests | 2.34.2 | Python HTTP for Humans. | Apache-2.0 | charset_normalizer<4,>=2  idna<4,>=2.5  urllib3<3,>=1.26  \
certifi>=2023.5.7  PySocks!=1.5.7,>=1.5.6; extra == 'socks'
rich | 15.0.0 | Render rich text, tables, progress bars, syntax highlighting, markdown and more to the terminal | MIT \
| pygments<3.0.0,>=2.13.0  markdown-it-py>=2.2.0
six | 1.17.0 | Python 2 and 3 compatibility utilities | MIT |
sqlalchemy | 2.0.48 | Database Abstraction Library | MIT | greenlet>=1  typing-extensions>=4.6.0
typing-extensions | 4.16.0 | Backported and Experimental Type Hints for Python 3.9+ | PSF-2.0 |
tzdata | 2026.3 | Provider of IANA time zone data | Apache-2.0 |
urllib3 | 2.8.0 | HTTP library with thread-safe connection pooling, file post, and more. | MIT |
werkzeug | 3.1.7 | The comprehensive WSGI web application library. | BSD-3-Clause | markupsafe>=2.1.1
"""
# What somebody asked for, as a line of requirements.in.
_ASKED = """\
flask>=3 # our services
numpy
pandas # reports
requests # through the company's proxy
pydantic
sqlalchemy
rich # terminal output of the tools
pyyaml
"""
_COMPILED = {"charset-normalizer", "greenlet", "markupsafe", "numpy", "pandas", "pydantic-core", "pyyaml"}
_ON_WINDOWS = {"colorama", "tzdata"}
_TAGS = {
    "manylinux_2_28_x86_64": "manylinux_2_27_x86_64.manylinux_2_28_x86_64",
    "macosx_14_0_arm64": "macosx_11_0_arm64",
    "win_amd64": "win_amd64",
}
_YANKS = {"3.0.3": "CVE-2026-27205: a cache may keep a response that varies by cookie"}


class _Project(NamedTuple):
    name: str
    versions: list[str]
    about: About
    needs: list[str]


def _projects() -> list[_Project]:
    rows = ([cell.strip() for cell in line.split(" |")] for line in _PROJECTS.splitlines())
    return [
        _Project(name, versions.split(), About(summary, licence, _sites(name)), list(filter(None, needs.split("  "))))
        for name, versions, summary, licence, needs in rows
    ]


def _sites(name: str) -> tuple[tuple[str, str], ...]:
    return ("Homepage", f"https://{name}.example.com/"), ("Source", f"https://git.example.com/{name}")


def _files(project: _Project) -> Iterator[File]:
    stem = project.name.replace("-", "_")
    for older, version in enumerate(project.versions):
        facts = UPLOADED._replace(yanked=_YANKS.get(version, False), provenance=None if older else b"{}")
        keys = [key for key in KEYS if project.name not in _ON_WINDOWS or key.target.platform == "win_amd64"]
        if older:
            keys = [Key("legacy", key.target) for key in keys if key.target.python == "3.11"]
        pure = {f"{stem}-{version}-py3-none-any.whl": keys}
        compiled = {f"{stem}-{version}-{_tag(key.target)}.whl": [key] for key in keys}
        for filename, serves in (compiled if project.name in _COMPILED else pure).items():
            yield file(filename, requires=project.needs, about=project.about, facts=facts, serves=serves)


def _tag(target: Target) -> str:
    return f"{target.abi}-{target.abi}-{_TAGS[target.platform]}"


def _ways_down(first: str, needs: Mapping[str, Sequence[Requirement]]) -> list[tuple[str, ...]]:
    """List the shortest way from each project that another one brings up to that one."""
    ways: dict[str, tuple[str, ...]] = {first: (first,)}
    todo = [first]
    for name in todo:
        for need in needs[name]:
            below = canonicalize_name(need.name)
            if below in needs and below not in ways:
                ways[below] = (below, *ways[name])
                todo.append(below)
    return list(ways.values())


def _chains() -> dict[str, list[Chain]]:
    needs = {project.name: list(map(Requirement, project.needs)) for project in _projects()}
    found: dict[str, list[Chain]] = {}
    for number, line in enumerate(_ASKED.splitlines(), start=2):
        requirement, _, comment = line.partition(" # ")
        for way in _ways_down(Requirement(requirement).name, needs):
            place = f"requirements.in:{number}"
            found.setdefault(way[0], []).append(Chain("requirements", way, place, requirement, comment))
    found["flask"].append(Chain("legacy", ("flask",), "legacy.in:1", "flask<3.1", "until billing has moved"))
    found["numpy"].append(Chain("legacy", ("numpy",), "legacy.in:2", "numpy<2", ""))
    return found


def company() -> Offer:
    """Return an offer of some thirty projects, two sets and three platforms."""
    return Offer(
        sorted((one for project in _projects() for one in _files(project)), key=lambda one: one.distribution.filename),
        statuses={"six": Status("archived", "no longer needed")},
        denied={"python-jwt": "Forgeable tokens, and unmaintained: take pyjwt."},
        chains=_chains(),
        request_url="https://git.example.com/platform/pypi/issues/new",
    )


def company_history() -> list[Entry]:
    """Return three releases, the newest first."""
    first = [Change(one.name, "added", (), (one.versions[0],), 1, 0) for one in _projects() if one.name != "pandas"]
    third = (
        Change("flask", "upgraded", ("3.0.3", "3.1.2"), ("3.0.3", "3.1.3"), 1, 1),
        Change("pandas", "added", (), ("3.0.0",), 9, 0),
        Change("pyjwt", "removed", ("2.11.0",), (), 0, 1),
        Change("urllib3", "upgraded", ("2.7.0",), ("2.8.0",), 1, 1),
    )
    second = (
        Change("certifi", "upgraded", ("2026.7.4",), ("2026.10.18",), 1, 1),
        Change("numpy", "changed", ("1.26.4", "2.4.1"), ("1.26.4", "2.4.1"), 3, 0),
    )
    return [
        Entry(RELEASE, TIME, third),
        Entry("20261104T081500Z-90c1f0aa71d3", "2026-11-04T08:15:00Z", second),
        Entry("20261019T152233Z-3be1d9007e55", "2026-10-19T15:22:33Z", tuple(first)),
    ]
