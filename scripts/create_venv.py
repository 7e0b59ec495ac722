"""Folder -> virtual environment: creates .venv, or says in one sentence why this Python cannot.

Runs before anything is installed, on whatever `python3` is, so it keeps to the syntax of old Pythons.
"""

import importlib.util
import subprocess
import sys

OLDEST = (3, 11)


def main(argv):
    # type: (list[str]) -> int
    """Create the virtual environment in folder argv[0] with the Python that runs this."""
    name = "Python %d.%d (%s)" % (sys.version_info[0], sys.version_info[1], sys.executable)  # noqa: UP031
    if sys.version_info < OLDEST:
        raise SystemExit(
            "%s is too old: Python %d.%d or newer is needed; name one, such as make PYTHON=python3.12"  # noqa: UP031
            % (name, OLDEST[0], OLDEST[1])
        )
    if not importlib.util.find_spec("venv") or not importlib.util.find_spec("ensurepip"):
        raise SystemExit(
            name + " has no venv module; install it (Debian: apt install python3-venv), or name another Python"
            " with make PYTHON=python3.12"
        )
    return subprocess.call((sys.executable, "-m", "venv", "--clear", argv[0]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
