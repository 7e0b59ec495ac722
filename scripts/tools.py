"""{scripts,tests,caddy}/requirements.in -> requirements.txt: moves the pinned tools themselves to their newest."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence

from scripts import CODE
from scripts.pip_environment import pip_environment
from scripts.terminal import run


def main(argv: Sequence[str] | None = None) -> int:
    """Write the three locks; raises SystemExit with pip-compile's own reason where one cannot be solved."""
    argparse.ArgumentParser(description=__doc__).parse_args(argv)
    environment = pip_environment() | {"CUSTOM_COMPILE_COMMAND": "make tools"}
    # tests/ last: its requirements are constrained by the other tools.
    for folder in ("scripts", "caddy", "tests"):
        command = (
            *(sys.executable, "-P", "-m", "piptools", "compile", "--quiet", "--upgrade", "--generate-hashes"),
            *("--allow-unsafe", "--strip-extras", "--no-emit-options", "--output-file=requirements.txt"),
            "requirements.in",
        )
        done = subprocess.run(command, cwd=CODE / folder, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{folder}/requirements.in: cannot be solved:\n{done.stderr}")
        print(f"{folder}/requirements.txt written", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(run(main))
