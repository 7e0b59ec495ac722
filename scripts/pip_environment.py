"""The caller's pip configuration -> the environment of our pips: where the upstream is, and nothing else.

What may decide how the upstream is reached is kept: index URL, proxy, certificates and time-out. What may change what
is taken is dropped: extra indexes, find-links, constraints, requirement files, trusted hosts, pre-releases and the
rest, whether they stand in the environment or in any of pip's configuration files.
"""

from __future__ import annotations

import os
import re
from urllib.parse import urlsplit

from pip._internal.configuration import Configuration
from pip._internal.exceptions import ConfigurationError
from pip._internal.models.index import PyPI
from pip._internal.utils.misc import redact_auth_from_url

_LOOPBACK = re.compile(r"localhost|127(\.\d+){3}|::1")
_KEPT = ("index-url", "proxy", "cert", "client-cert", "timeout")
_ALIASES = {"default-timeout": "timeout", "pypi-url": "index-url"}
_NOWHERE = "https://localhost/"  # in place of pip's own index-url, which does not count for a server of ours
_SECONDS = re.compile(r"\d+(\.\d+)?")
# pip reads [global] first, then its command's own section, then the environment: the last one wins.
_SECTIONS = ("global", "download", ":env:")


def _configured() -> dict[str, str]:
    configuration = Configuration(isolated=False)
    try:
        configuration.load()
    except ConfigurationError as error:
        raise SystemExit(f"pip's configuration cannot be read ({error}); correct it") from None
    found: dict[tuple[str, str], str] = {}
    # Files come from the lowest precedence to the highest, so that a later one overrides.
    for values in dict(configuration.items()).values():
        for name, value in values.items():
            section, _, key = name.partition(".")
            found[section, _ALIASES.get(key, key)] = str(value)
    # An empty value is none, to pip too.
    return {key: value for section in _SECTIONS for key in _KEPT if (value := found.get((section, key)))}


def _url_problem(url: str, *, any_http: bool = False) -> str | None:
    """Say why pip would not take from a URL, which may hold a password; None where it would, or with any_http could."""
    try:
        scheme, host, shown = urlsplit(url).scheme, urlsplit(url).hostname or "", redact_auth_from_url(url)
    except ValueError as error:
        return f"not a URL ({error}); name an index such as https://host/simple/"
    if scheme not in {"http", "https"}:
        return f"{shown} is not an http or https URL; name an index such as https://host/simple/"
    if scheme == "http" and not any_http and not _LOOPBACK.fullmatch(host):
        return f"{shown} is plain http, which pip takes from this machine only; name an https URL"
    return None


def pip_environment(upstream: str = "") -> dict[str, str]:
    """Return the environment in which pip takes from the upstream alone.

    upstream is the index URL to use; an empty one means pip's own `index-url`, or else pip's default. pip reads no
    configuration file in this environment (PIP_CONFIG_FILE names the null device). Raises SystemExit for a URL that
    pip would not take.
    """
    configured = _configured()
    url = upstream or configured.get("index-url", PyPI.simple_url)
    if problem := _url_problem(url):
        source = "UPSTREAM" if upstream else "pip's index-url"
        raise SystemExit(f"{source}: {problem}")
    if not _SECONDS.fullmatch(timeout := configured.get("timeout", "15")):
        raise SystemExit(f"pip's timeout: {timeout!r} is not a number of seconds; correct it")
    theirs = {_variable(key): value for key, value in configured.items() if key != "index-url"}
    return environment_for(url) | theirs


def environment_for(url: str) -> dict[str, str]:
    """Return the environment in which pip takes from one index alone, whatever the caller's configuration says."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PIP_", "PYTHON"))}
    return kept | {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_INDEX_URL": url.rstrip("/"),
        "PIP_NO_INPUT": "1",
        "PIP_RETRIES": "2",
    }


def environment_of_server(own: str) -> dict[str, str]:
    """Return the environment in which pip would ask the server of ours at this URL, which may be plain http."""
    if problem := _url_problem(own, any_http=True):
        raise SystemExit(f"URL: {problem}")
    return pip_environment(_NOWHERE) | {"PIP_INDEX_URL": own.rstrip("/")}


def _variable(key: str) -> str:
    return "PIP_" + key.replace("-", "_").upper()
