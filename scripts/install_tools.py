"""requirements.txt -> virtual environment: installs pinned tools, or says in one sentence why that cannot be done.

Runs before anything is installed, on whatever `python3` is, so it keeps to the syntax of old Pythons.
"""

import os
import signal
import subprocess
import sys
import time

OLDEST = (3, 11)
# How the registry is reached, and nothing that could change what is installed or where.
KEPT = ("CERT", "CLIENT_CERT", "CONFIG_FILE", "DEFAULT_TIMEOUT", "INDEX_URL", "PROXY", "TIMEOUT", "TRUSTED_HOST")


def check_python():
    # type: () -> None
    """Raise SystemExit where this Python cannot make the virtual environment."""
    name = "Python %d.%d (%s)" % (sys.version_info[0], sys.version_info[1], sys.executable)  # noqa: UP031
    if sys.version_info < OLDEST:
        raise SystemExit(
            "%s is too old: Python %d.%d or newer is needed; name one, such as make PYTHON=python3.12"  # noqa: UP031
            % (name, OLDEST[0], OLDEST[1])
        )
    import importlib.util  # not there in Python 2

    if not importlib.util.find_spec("venv") or not importlib.util.find_spec("ensurepip"):
        raise SystemExit(
            name + " has no venv module; install it (Debian: apt install python3-venv), or name another Python"
            " with make PYTHON=python3.12"
        )


def check_folder(folder):
    # type: (str) -> None
    """Raise SystemExit where the folder holds something that is no virtual environment."""
    if os.path.isdir(folder) and os.listdir(folder) and not os.path.isfile(folder + "/pyvenv.cfg"):
        raise SystemExit("VENV: " + folder + " holds other things; name a new or empty folder")


def quietly(*command):
    # type: (str) -> None
    """Run a command; raise SystemExit with what it said where it fails."""
    kept = ["PIP_" + name for name in KEPT]
    env = {name: value for name, value in os.environ.items() if not name.startswith("PIP_") or name in kept}
    process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    said = process.communicate()[0].decode("utf-8", "replace").strip()
    if process.returncode:
        last = "\n".join(said.splitlines()[-3:])
        raise SystemExit(last + "\n" + " ".join(command[:4]) + " failed; mend that, then run make again")


def main(argv):
    # type: (list[str]) -> int
    """Install the requirements file argv[1] into the virtual environment argv[0], made if it is not there."""
    folder, requirements = argv
    is_new = not os.path.exists(folder + "/bin/pip")  # which venv makes last
    if is_new:
        check_python()
        check_folder(folder)
    sys.stderr.write("Installing the pinned tools of " + requirements + " into " + folder + "\n")
    if is_new:
        quietly(sys.executable, "-m", "venv", folder)
    quietly(
        folder + "/bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
        "--only-binary=:all:", "--require-hashes", "--requirement=" + requirements,
    )  # fmt: skip
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        time.sleep(0.1)  # as in scripts.end_by_signal, which is not there yet
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
