"""Keys of ssh-keygen, and the files that say who may sign with them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest


class Signer(NamedTuple):
    """A key by its path, and the file of allowed signers that has it and no other."""

    key: Path
    allowed: Path


def make_signer(folder: Path, name: str = "index@example.com", *, passphrase: str = "", options: str = "") -> Signer:
    """Make a key, and a file that allows its signatures under a name."""
    if shutil.which("ssh-keygen") is None:
        pytest.skip("ssh-keygen is not here; OpenSSH's client has it")
    folder.mkdir(exist_ok=True)
    key = folder / name.partition("@")[0]
    command = ("ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", name, "-f", key)
    subprocess.run(command, check=True)
    allowed = folder / f"{key.name}.allowed"
    allowed.write_text(f"{name} {options} {key.with_suffix('.pub').read_text()}")
    return Signer(key, allowed)
