"""A manifest -> its signature, and back to who signed: OpenSSH's, since `ssh-keygen` is everywhere.

Source: ssh-keygen(1), `-Y sign`, `-Y verify` and `-Y find-principals`, and its section on allowed signers.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts import manifest
from scripts.files import is_file
from scripts.texts import one_line

NAMESPACE = "pypi-index"
MOST_BYTES = 2**14  # of a signature
_SECONDS = 60.0


def _ssh_keygen(*options: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    # Without a terminal of its own it cannot wait for a passphrase that nobody types; an agent's key needs none.
    environment = {name: value for name, value in os.environ.items() if name != "DISPLAY"}
    environment["SSH_ASKPASS_REQUIRE"] = "never"
    command = ("ssh-keygen", *options)
    try:
        return subprocess.run(
            command,
            input=data,
            env=environment,
            capture_output=True,
            start_new_session=True,
            timeout=_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        raise SystemExit("ssh-keygen: there is no such program; install OpenSSH's client") from None
    except subprocess.TimeoutExpired:
        raise SystemExit(f"ssh-keygen: did not end within {_SECONDS} seconds; see what keeps it") from None


def _said(done: subprocess.CompletedProcess[bytes]) -> str:
    lines = (done.stderr or done.stdout).decode(errors="replace").splitlines()
    words = (one_line(line, 200).strip("@ .") for line in lines)
    return "; ".join(filter(None, words)) or "it fails without a word"


def sign(data: bytes, key: str) -> bytes:
    """Return the signature of data by the key at a path, a private one or a public one whose owner is an agent.

    Raises SystemExit where that key cannot sign.
    """
    done = _ssh_keygen("-Y", "sign", "-q", "-f", key, "-n", NAMESPACE, data=data)
    if done.returncode:
        raise SystemExit(
            f"SIGNING_KEY: {key}: cannot sign ({_said(done)}); name a key of ssh-keygen's without passphrase"
        )
    return done.stdout


@contextmanager
def _as_file(signature: bytes) -> Iterator[str]:
    with tempfile.NamedTemporaryFile() as file:
        file.write(signature)
        file.flush()
        yield file.name


def signer(data: bytes, signature: bytes, allowed: Path) -> str:
    """Return who signed data, as the file of allowed signers names them; raises ValueError where nobody there did."""
    if len(signature) > MOST_BYTES:
        raise ValueError("has a signature that is none")
    with _as_file(signature) as path:
        found = _ssh_keygen("-Y", "find-principals", "-s", path, "-f", str(allowed))
        if found.returncode:
            raise ValueError(f"is signed by nobody that {allowed} allows ({_said(found)})")
        # A key may stand there more than once, for other namespaces among them.
        names = [one for line in found.stdout.decode(errors="replace").splitlines() for one in line.split(",")]
        for name in names:
            options = ("-f", str(allowed), "-I", name, "-n", NAMESPACE, "-s", path)
            done = _ssh_keygen("-Y", "verify", *options, data=data)
            if not done.returncode:
                return name
    raise ValueError(f"is not what {names[0]} signed ({_said(done)})")


def _fingerprint(done: subprocess.CompletedProcess[bytes]) -> str:
    found = re.search(rb"SHA256:\S+", done.stdout + done.stderr)
    return found[0].decode() if found and not done.returncode else ""


def is_signed(data: bytes, place: Path, key: str = "") -> bool:
    """Whether a file is a signature of data, made with the key at a path, or with any where that is ""."""
    if not is_file(place):
        return False
    made = _fingerprint(_ssh_keygen("-Y", "check-novalidate", "-n", NAMESPACE, "-s", str(place), data=data))
    return bool(made) and (not key or made == _fingerprint(_ssh_keygen("-l", "-f", key)))


def verified(release: Path, allowed: Path) -> str:
    """Return who signed a release, "" where no file says who may; raises ValueError where none of them did."""
    if not allowed.is_file():
        return ""
    path, place = release / manifest.FILE, release / manifest.SIGNATURE
    if not is_file(place):
        raise ValueError(f"{place}: is missing, and {allowed} says who signs")
    try:
        return signer(path.read_bytes(), place.read_bytes(), allowed)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
