"""$(PYPI_ROOT)/web -> HTTP: runs Caddy, if there is something to serve."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence

from scripts import variables
from scripts.root import Root
from scripts.stage import CADDYFILE, START, find_caddy
from scripts.terminal import run

_REMEDIES = {
    errno.EADDRINUSE: "end what listens there, or name another port",
    errno.EACCES: "name a port above 1023",
}


def _check_free(listen: str) -> None:
    """Raise SystemExit where nobody can listen there; Caddy itself would share the port with another Caddy."""
    host, colon, port = listen.rpartition(":")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host.strip("[]"), int(port if colon else "")), family=family).close()
    except (ValueError, OverflowError):
        remedy = "write 127.0.0.1:8000, or :8000 for every address"
        raise SystemExit(f"LISTEN: {listen} is not host:port; {remedy}") from None
    except OSError as error:
        remedy = _REMEDIES.get(error.errno or 0, "name an address of this machine")
        reason = str(error.strerror).partition(" (while ")[0]
        raise SystemExit(f"LISTEN: {listen}: {reason}; {remedy}") from None


def main(argv: Sequence[str] | None = None) -> int:
    """Run Caddy until it ends; raises SystemExit where nothing is published or Caddy is not there."""
    parser = variables.parser(__doc__, "root")
    parser.add_argument("--listen", required=True, help="host:port")
    parser.add_argument("--caddy", required=True, help="the server's binary")
    args = parser.parse_args(argv)
    live = Root(args.root).published()
    environment = os.environ | {
        "PYPI_ROOT": str(args.root),
        "LISTEN": args.listen,
        "CADDY": str(find_caddy(args.caddy)),
    }
    _check_free(args.listen)
    print(f"{args.root}: serving {live.name} on {args.listen}; Ctrl-C ends it", file=sys.stderr, flush=True)
    caddy = subprocess.Popen((START, "run", f"--config={CADDYFILE}"), env=environment)
    signal.signal(signal.SIGTERM, lambda *_: caddy.terminate())
    try:
        return caddy.wait()
    finally:
        caddy.wait()  # Ctrl-C reaches Caddy too, which first ends the downloads under way


if __name__ == "__main__":
    raise SystemExit(run(main))
