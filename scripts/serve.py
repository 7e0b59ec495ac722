"""$(PYPI_ROOT)/web -> HTTP: becomes Caddy, if there is something to serve."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from scripts.root import Root
from scripts.stage import CADDYFILE, START, find_caddy
from scripts.terminal import run


def main(argv: Sequence[str] | None = None) -> int:
    """Replace this process by Caddy; raises SystemExit where nothing is published or Caddy is not there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="the shared folder")
    parser.add_argument("--listen", required=True, help="host:port")
    parser.add_argument("--caddy", required=True, help="the server's binary")
    args = parser.parse_args(argv)
    if Root(args.root).live is None:
        raise SystemExit(f"{args.root}/web: nothing is published there; run make index")
    caddy = str(find_caddy(args.caddy))
    environment = os.environ | {"PYPI_ROOT": str(args.root), "LISTEN": args.listen, "CADDY": caddy}
    os.execve(START, (str(START), "run", f"--config={CADDYFILE}"), environment)  # noqa: S606


if __name__ == "__main__":
    raise SystemExit(run(main))
