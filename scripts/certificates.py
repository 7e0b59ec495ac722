"""Where certificates are -> connections of requests, for all of which they are read once."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from ssl import SSLContext
from threading import Lock
from typing import Any

from requests import PreparedRequest
from requests.adapters import DEFAULT_CA_BUNDLE_PATH, HTTPAdapter
from urllib3.util.ssl_ import create_urllib3_context

_alone = Lock()


@cache
def _context(trusted: str, own: str | None) -> SSLContext:
    """Return what a connection has to know of the certificates in a file or folder, and of our own. Raises OSError."""
    context, is_folder = create_urllib3_context(), Path(trusted).is_dir()
    try:
        context.load_verify_locations(*((None, trusted) if is_folder else (trusted,)))
    except OSError:
        raise OSError(f"{trusted} has no certificates") from None
    try:
        if own:
            context.load_cert_chain(own)
    except OSError:
        raise OSError(f"{own} has no certificate with its key") from None
    return context


class Adapter(HTTPAdapter):
    """Reads certificates once: to do so for each connection takes longer than most downloads.

    `verify` and `cert` of a session or request count as requests has them, but that nothing goes unverified. Raises
    OSError where what they name has no certificate.
    """

    def build_connection_pool_key_attributes(
        self, request: PreparedRequest, verify: bool | str, cert: Any = None
    ) -> Any:
        """Return what requests would, with certificates that were read in place of where they are."""
        host, pool = super().build_connection_pool_key_attributes(request, verify, cert)
        if host["scheme"] != "https":
            return host, pool
        with _alone:  # or each of the first threads would read them
            context = _context(verify if isinstance(verify, str) else DEFAULT_CA_BUNDLE_PATH, cert)
        return host, {"cert_reqs": "CERT_REQUIRED", "ssl_context": context}

    def cert_verify(self, *_: object) -> None:
        """Leave a connection as its pool made it."""
