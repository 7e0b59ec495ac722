"""System calls that fail -> what to put before a command so that it meets them: strace injects the error."""

from __future__ import annotations

import shutil
import subprocess

import pytest

# What a mount without locks answers.
NO_LOCKS = "flock:error=ENOLCK"


def failing(fault: str) -> tuple[str, ...]:
    """Return what to put before a command for a fault such as `flock:error=ENOLCK`; skips where there is no strace."""
    found = shutil.which("strace")
    if not found or subprocess.run((found, "--output=/dev/null", "true"), check=False, capture_output=True).returncode:
        pytest.skip("strace cannot be used here, which makes system calls fail")
    call = fault.partition(":")[0]
    return (
        *(found, "--follow-forks", "--seccomp-bpf", "--quiet=all", "--output=/dev/null"),
        *(f"--trace={call}", f"--inject={fault}"),
    )
