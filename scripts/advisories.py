"""Pins -> the known vulnerabilities of each, as pip-audit finds them at the service that is configured.

`pypi` and `esms` are services at fixed addresses; `osv` is at OSV's, or at the URL of a mirror that answers its query
API (`POST`, a package and a version -> `vulns`). Whatever pip-audit cannot tell is `not checked`: an answer that is
none, and a project that the service does not know, which pip-audit without `--strict` would pass over.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import zip_longest
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, NamedTuple

from packaging.utils import canonicalize_name

from scripts.texts import one_line
from scripts.unchecked import NotChecked

Pin = tuple[str, str]
Service = Literal["pypi", "osv", "esms"]
# pip-audit asks for one pin after the other. At a service that is far away runs side by side save time; at one that is
# near they cost some, as each takes half a second of a processor to start.
_PINS_A_RUN = 100
_AT_ONCE = 4
_MAX_TEXT = 300
_CREDENTIALS = re.compile(r"//[^/@\s]*@")
_RAISED = re.compile(r"^requests\.exceptions\.(\w+)(?:: (\d{3})?)?", re.MULTILINE)
_FAILED = re.compile(r"^ERROR:pip_audit\._cli:(.*)", re.MULTILINE)
_OVERLOOKED = re.compile(r"^WARNING:pip_audit\._service\.\w+:(.*)", re.MULTILINE)
_NAMED = re.compile(r": \S+ \(\S+\)$")  # the pin, at the end of a reason
_REASONS = {
    "ChunkedEncodingError": "its answer breaks off",
    "ConnectionError": "no connection",
    "InvalidSchema": "no URL that can be asked",
    "InvalidURL": "no URL that can be asked",
    "JSONDecodeError": "its answer is not JSON",
    "MissingSchema": "no URL that can be asked",
    "ProxyError": "the proxy cannot be used",
    "ReadTimeout": "no answer in time",
    "SSLError": "its certificate is not accepted",
    "TooManyRedirects": "redirected without end",
}


class Advisory(NamedTuple):
    """A known vulnerability: fix_versions are those that end it, and may be none; summary is one line, or empty."""

    id: str
    aliases: tuple[str, ...] = ()
    fix_versions: tuple[str, ...] = ()
    summary: str = ""


class Audit(NamedTuple):
    """Each pin is in one of the two: with its advisories, or with the reason why it could not be checked."""

    checked: dict[Pin, list[Advisory]]
    unchecked: dict[Pin, str]

    def unchecked_by_reason(self) -> dict[str, list[str]]:
        """Return the versions that could not be checked, such as `flask 3.0`, by the reason why."""
        found: dict[str, list[str]] = {}
        for (name, version), reason in self.unchecked.items():
            found.setdefault(reason, []).append(f"{name} {version}")
        return found


class _Settings(NamedTuple):
    service: Service
    url: str
    environment: dict[str, str]
    timeout: int
    limit: float

    @property
    def where(self) -> str:
        return _clean(f"the service {self.service}" + (f" at {_CREDENTIALS.sub('//', self.url)}" if self.url else ""))


def _clean(text: object) -> str:
    return one_line(text, _MAX_TEXT)


def _own(environment: Mapping[str, str]) -> dict[str, str]:
    """Return pip-audit's environment: its own options begin with PIP_ too; of pip's the way to the network is kept."""
    own = {name: value for name, value in environment.items() if not name.startswith(("PIP_", "PYTHON"))}
    if certificates := environment.get("PIP_CERT"):
        own["REQUESTS_CA_BUNDLE"] = certificates
    if proxy := environment.get("PIP_PROXY"):
        own |= {"http_proxy": proxy, "https_proxy": proxy}
    return own


def _runs(pins: Iterable[Pin]) -> Iterator[list[Pin]]:
    """Yield pins in parts of which each names a project once, as pip-audit refuses a second version of it."""
    versions: dict[str, list[Pin]] = {}
    for name, version in sorted(set(pins)):
        versions.setdefault(canonicalize_name(name), []).append((name, version))
    for each in zip_longest(*versions.values()):
        turn = [pin for pin in each if pin is not None]
        yield from (turn[start : start + _PINS_A_RUN] for start in range(0, len(turn), _PINS_A_RUN))


def _command(settings: _Settings, folder: Path, strict: bool) -> tuple[str, ...]:
    return (
        *(sys.executable, "-m", "pip_audit", *(["--strict"] if strict else [])),
        *("--no-deps", "--disable-pip", f"--requirement={folder / 'pins.txt'}"),
        *(f"--vulnerability-service={settings.service}", *([f"--osv-url={settings.url}"] if settings.url else [])),
        *("--format=json", "--desc=on", "--aliases=on", "--progress-spinner=off"),
        *(f"--cache-dir={folder / 'cache'}", f"--timeout={settings.timeout}"),
    )


def _pip_audit(pins: Sequence[Pin], settings: _Settings, *, strict: bool) -> tuple[dict[str, Any], str]:
    """Return what pip-audit tells of each project, and what it logs; raises NotChecked where it tells nothing."""
    with TemporaryDirectory(prefix="pip-audit-") as temporary:
        folder = Path(temporary)
        (folder / "pins.txt").write_text("".join(f"{name}=={version}\n" for name, version in pins))
        command = _command(settings, folder, strict)
        try:
            done = subprocess.run(
                command, env=settings.environment, capture_output=True, text=True, check=False, timeout=settings.limit
            )
        except subprocess.TimeoutExpired:
            raise NotChecked(f"{settings.where}: not done within {settings.limit:g} seconds") from None
    try:
        # It exits with 1 for vulnerabilities as for errors, but prints this for vulnerabilities only.
        return {each["name"]: each for each in json.loads(done.stdout)["dependencies"]}, done.stderr
    except ValueError:
        if strict and "Traceback" not in done.stderr and _is_skip(done.stderr, pins):
            return _pip_audit(pins, settings, strict=False)  # which tells of the others, and which ones were skipped
        raise NotChecked(f"{settings.where}: {_reason(done.stderr)}") from None


def _is_skip(log: str, pins: Sequence[Pin]) -> bool:
    """Whether pip-audit gave up because of one pin that it cannot check."""
    failed = _FAILED.findall(log)
    return bool(failed) and failed[-1].partition(": ")[0] in {name for name, _ in pins}


def _reason(log: str) -> str:
    """Return why pip-audit stopped: it ends with a traceback for all but a few errors of its services."""
    if raised := _RAISED.findall(log):
        kind, status = raised[-1]
        return _REASONS.get(kind, f"HTTP {status}" if status else kind)
    if failed := _FAILED.findall(log):
        return _clean(failed[0])
    return _clean(f"pip-audit fails with {(log.strip().splitlines() or ['no word'])[-1]}")


def _advisory(told: dict[str, Any]) -> Advisory:
    aliases, fixes = sorted(map(_clean, told["aliases"])), map(_clean, told["fix_versions"])
    summary = "" if told["description"] == "N/A" else _clean(told["description"])
    return Advisory(_clean(told["id"]), tuple(aliases), tuple(fixes), summary)


def _read(told: dict[str, Any] | None, overlooked: str) -> list[Advisory] | str:
    """Return the advisories of a pin, or why it is not checked."""
    if told is None or "skip_reason" in told:
        return _NAMED.sub("", _clean(told["skip_reason"])) if told else "pip-audit tells nothing of it"
    if overlooked and not told["vulns"]:
        return f"pip-audit left out a part of the answer ({overlooked})"
    return sorted(map(_advisory, told["vulns"]))


def _audit(pins: Sequence[Pin], settings: _Settings) -> dict[Pin, list[Advisory] | str]:
    try:
        told, log = _pip_audit(pins, settings, strict=True)
    except NotChecked as error:
        return dict.fromkeys(pins, str(error))
    overlooked = "; ".join(dict.fromkeys(map(_clean, _OVERLOOKED.findall(log))))
    return {pin: _read(told.get(canonicalize_name(pin[0])), overlooked) for pin in pins}


def find(
    pins: Iterable[Pin],
    service: Service,
    url: str,
    environment: Mapping[str, str],
    *,
    timeout: int = 15,
    limit: float = 600,
) -> Audit:
    """Return the known vulnerabilities of pins, which are names and versions; each version of a project counts.

    url is that of an OSV mirror's query, for the service `osv`; an empty one means the service's own. environment is
    `pip_environment`'s: its proxy and certificates are used. timeout are the seconds that an answer may keep waiting,
    limit those that all answers to a hundred pins may take. Withdrawn advisories do not count.
    """
    if url and service != "osv":
        raise ValueError(f"the service {service} has an address of its own")
    settings = _Settings(service, url, _own(environment), timeout, limit)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        results = list(pool.map(lambda run: _audit(run, settings), _runs(pins)))
    found = sorted((item for result in results for item in result.items()), key=itemgetter(0))
    return Audit(
        {pin: told for pin, told in found if not isinstance(told, str)},
        {pin: told for pin, told in found if isinstance(told, str)},
    )
