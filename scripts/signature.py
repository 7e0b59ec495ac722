"""A manifest -> its signature, and back to who signed: OpenSSH's, since `ssh-keygen` is everywhere.

Source: ssh-keygen(1), `-Y sign`, `-Y verify` and `-Y find-principals`, and its section on allowed signers.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from pathlib import Path

from scripts import manifest
from scripts.root import is_file

NAMESPACE = "pypi-index"


def _ssh_keygen(*options: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    # Without a terminal of its own it cannot wait for a passphrase that nobody types; an agent's key needs none.
    environment = {name: value for name, value in os.environ.items() if name != "DISPLAY"}
    environment["SSH_ASKPASS_REQUIRE"] = "never"
    command = ("ssh-keygen", *options)
    try:
        return subprocess.run(
            command, input=data, env=environment, capture_output=True, start_new_session=True, check=False
        )
    except FileNotFoundError:
        raise SystemExit("ssh-keygen: there is no such program; install OpenSSH's client") from None


def _last_words(done: subprocess.CompletedProcess[bytes]) -> str:
    lines = [line for line in (done.stderr or done.stdout).decode(errors="replace").splitlines() if line.strip()]
    return (lines or ["it fails without a word"])[-1].strip().rstrip(".")


def sign(data: bytes, key: str) -> bytes:
    """Return the signature of data by the key at a path, a private one or a public one whose owner is an agent.

    Raises SystemExit where that key cannot sign.
    """
    done = _ssh_keygen("-Y", "sign", "-q", "-f", key, "-n", NAMESPACE, data=data)
    if done.returncode:
        raise SystemExit(f"SIGNING_KEY: {key}: {_last_words(done)}; name a key of ssh-keygen without a passphrase")
    return done.stdout


def signer(data: bytes, signature: bytes, allowed: Path) -> str:
    """Return who signed data, as the file of allowed signers names them; raises ValueError where nobody there did."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(signature)
        file.flush()
        found = _ssh_keygen("-Y", "find-principals", "-s", file.name, "-f", str(allowed))
        if found.returncode:
            raise ValueError(f"is signed by nobody that {allowed} allows ({_last_words(found)})")
        name = found.stdout.decode(errors="replace").splitlines()[0].split(",")[0]
        options = ("-f", str(allowed), "-I", name, "-n", NAMESPACE, "-s", file.name)
        done = _ssh_keygen("-Y", "verify", *options, data=data)
    if done.returncode:
        raise ValueError(f"is not what {name} signed ({_last_words(done)})")
    return name


def _fingerprint(done: subprocess.CompletedProcess[bytes]) -> str:
    found = re.search(rb"SHA256:\S+", done.stdout + done.stderr)
    return found[0].decode() if found and not done.returncode else ""


def is_of(key: str, data: bytes, signature: bytes) -> bool:
    """Whether a signature of data is there, and was made with the key at a path."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(signature)
        file.flush()
        made = _ssh_keygen("-Y", "check-novalidate", "-n", NAMESPACE, "-s", file.name, data=data)
    return bool(_fingerprint(made)) and _fingerprint(made) == _fingerprint(_ssh_keygen("-l", "-f", key))


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
