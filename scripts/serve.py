"""$(PYPI_ROOT)/web -> HTTP: runs Caddy, if there is something to serve."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from scripts.root import Root
from scripts.stage import CADDYFILE, START, find_caddy
from scripts.terminal import run


def main(argv: Sequence[str] | None = None) -> int:
    """Run Caddy until it ends; raises SystemExit where nothing is published or Caddy is not there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="the shared folder")
    parser.add_argument("--listen", required=True, help="host:port")
    parser.add_argument("--caddy", required=True, help="the server's binary")
    args = parser.parse_args(argv)
    live = Root(args.root).live
    if live is None:
        raise SystemExit(f"{args.root}/web: nothing is published there; run make index")
    environment = os.environ | {
        "PYPI_ROOT": str(args.root),
        "LISTEN": args.listen,
        "CADDY": str(find_caddy(args.caddy)),
    }
    print(f"{args.root}: serving {live.name} on {args.listen}; Ctrl-C ends it", file=sys.stderr, flush=True)
    caddy = subprocess.Popen((START, "run", f"--config={CADDYFILE}"), env=environment)
    signal.signal(signal.SIGTERM, lambda *_: caddy.terminate())
    try:
        return caddy.wait()
    finally:
        caddy.wait()  # Ctrl-C reaches Caddy too, which first ends the downloads under way


if __name__ == "__main__":
    raise SystemExit(run(main))
