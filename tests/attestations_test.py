"""Who published a file, by real attestations: verified without a network and without what the user's cache holds."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scripts.attestations import publisher
from scripts.pip_environment import pip_environment
from scripts.upstream import Upstream

DATA = Path(__file__).parent / "attestations"
NAME = "pypi_attestations-0.0.19.tar.gz"
GOOD = (DATA / f"{NAME}.provenance").read_bytes()
SHA256 = "9bb1add04b1b4e182be6b0b80931593f7a291eb49d69b4fd728a5d4cbcdc4bd3"
BY = "GitHub trailofbits/pypi-attestations (release.yml)"
UNVERIFIED = f"its attestation by {BY} does not verify: "
TRUST = "tuf/https%3A%2F%2Ftuf-repo-cdn.sigstore.dev/trusted_root.json"

# Whoever asks for an address or a connection is told no.
WITHOUT_NETWORK = """\
import sys
def refuse(event, arguments):
    if event in {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"}:
        raise PermissionError(event)
sys.addaudithook(refuse)
from pathlib import Path
from scripts.attestations import publisher
print(publisher(Path(sys.argv[1]).read_bytes(), *sys.argv[2:]))
"""


def said(provenance: bytes, filename: str = NAME, sha256: str = SHA256) -> str:
    """The publisher, or why there is none."""
    try:
        return publisher(provenance, filename, sha256)
    except ValueError as error:
        return str(error)


def changed(change: Callable[[Any], object]) -> bytes:
    """The good provenance object after a change to its attestation bundles."""
    provenance = json.loads(GOOD)
    change(provenance["attestation_bundles"])
    return json.dumps(provenance).encode()


def flipped(*path: str, at: int) -> bytes:
    """The good object with one bit changed in a Base64 value of its attestation."""

    def change(bundles: Any) -> None:
        place = bundles[0]["attestations"][0]
        for key in path[:-1]:
            place = place[key]
        data = bytearray(base64.b64decode(place[path[-1]]))
        data[at] ^= 1
        place[path[-1]] = base64.b64encode(data).decode()

    return changed(change)


def set_publisher(**fields: str) -> bytes:
    return changed(lambda bundles: bundles[0]["publisher"].update(fields))


def in_a_process(home: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Verify the good object where there is no network, with HOME as the place of caches."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
    command = (sys.executable, "-c", WITHOUT_NETWORK, str(DATA / f"{NAME}.provenance"), NAME, SHA256)
    return subprocess.run(
        command,
        env={**kept, "HOME": str(home), **env},
        capture_output=True,
        text=True,
        check=False,
        cwd=DATA.parents[1],
    )


def test_the_publisher_is_who_signed_the_file() -> None:
    assert publisher(GOOD, NAME, SHA256) == BY


def test_neither_network_nor_home_is_needed_and_nothing_is_said_or_left(tmp_path: Path) -> None:
    done = in_a_process(tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{BY}\n", "")
    assert list(tmp_path.iterdir()) == []


def test_keys_that_lie_in_the_users_cache_are_not_believed(tmp_path: Path) -> None:
    for folder in (tmp_path / "sigstore-python", tmp_path / "home" / ".cache" / "sigstore-python"):
        (folder / TRUST).parent.mkdir(parents=True)
        (folder / TRUST).write_text("{}")
    assert in_a_process(tmp_path / "home").stdout == f"{BY}\n"
    assert in_a_process(tmp_path, XDG_CACHE_HOME=str(tmp_path)).stdout == f"{BY}\n"


def test_the_environment_is_afterwards_what_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    before = dict(os.environ)
    said(GOOD)
    said(GOOD, sha256="0" * 64)
    assert dict(os.environ) == before


def test_nothing_is_imported_before_there_is_something_to_verify() -> None:
    code = "import sys, scripts.attestations; sys.exit(any(name in sys.modules for name in ('sigstore', 'pydantic')))"
    subprocess.run((sys.executable, "-c", code), cwd=DATA.parents[1], check=True)


@pytest.mark.parametrize(
    ("filename", "sha256", "reason"),
    [
        (NAME, "0" * 64, "subject does not match distribution digest"),
        (
            "pypi_attestations-0.0.20.tar.gz",
            SHA256,
            f"subject does not match distribution name: {NAME} != pypi_attestations-0.0.20.tar.gz",
        ),
    ],
)
def test_an_attestation_of_another_file_is_none(filename: str, sha256: str, reason: str) -> None:
    assert said(GOOD, filename, sha256) == UNVERIFIED + reason


@pytest.mark.parametrize(
    ("provenance", "reason"),
    [
        (flipped("envelope", "signature", at=20), "DSSE: invalid signature"),
        (flipped("envelope", "statement", at=150), "DSSE: invalid signature"),
        (
            flipped("verification_material", "certificate", at=-5),
            "failed to build timestamp certificate chain: validation failed: candidates exhausted: "
            "signature does not match",
        ),
        (
            changed(lambda bundles: bundles[0]["attestations"][0]["verification_material"].update(certificate="")),
            "invalid X.509 certificate",
        ),
    ],
)
def test_one_bit_is_enough(provenance: bytes, reason: str) -> None:
    assert said(provenance) == UNVERIFIED + reason


@pytest.mark.parametrize(
    ("provenance", "expected"),
    [
        (
            set_publisher(repository="trailofbits/other"),
            "its attestation by GitHub trailofbits/other (release.yml) does not verify: Certificate's "
            "OIDCSourceRepositoryURI does not match (got https://github.com/trailofbits/pypi-attestations, expected "
            "https://github.com/trailofbits/other)",
        ),
        (
            set_publisher(workflow="other.yml"),
            "its attestation by GitHub trailofbits/pypi-attestations (other.yml) does not verify: its certificate is "
            "of another workflow",
        ),
        (
            set_publisher(kind="Google", email="a\n\x1b[2Jb@example.com"),
            "its attestation by Google a [2Jb@example.com does not verify: Certificate's OIDCIssuer does not match "
            "(got 'https://token.actions.githubusercontent.com', expected 'https://accounts.google.com')",
        ),
    ],
)
def test_another_publisher_is_not_believed(provenance: bytes, expected: str) -> None:
    assert said(provenance) == expected


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        (
            {"kind": "GitLab", "repository": "group/sub/p", "workflow_filepath": ".gitlab-ci.yml"},
            "GitLab group/sub/p (.gitlab-ci.yml)",
        ),
        ({"kind": "CircleCI", "project_id": "1-2", "pipeline_definition_id": "3-4"}, "CircleCI 1-2 (3-4)"),
    ],
)
def test_each_kind_of_publisher_has_its_line(fields: dict[str, str], line: str) -> None:
    assert said(set_publisher(**fields)).partition(" does not verify: ")[0] == f"its attestation by {line}"


def test_the_environment_does_not_identify_a_publisher() -> None:
    assert said(set_publisher(environment="release")) == BY


def test_every_attestation_counts() -> None:
    twice = changed(lambda bundles: bundles[0]["attestations"].append(bundles[0]["attestations"][0]))
    assert said(twice) == BY
    other = json.loads(flipped("envelope", "signature", at=20))["attestation_bundles"]
    assert said(changed(lambda bundles: bundles[0]["attestations"].extend(other[0]["attestations"]))) == (
        f"{UNVERIFIED}DSSE: invalid signature"
    )
    assert said(changed(lambda bundles: bundles.extend(other))) == f"{UNVERIFIED}DSSE: invalid signature"
    assert said(changed(lambda bundles: bundles.append({**bundles[0], "attestations": []}))) == (
        "its provenance holds a publisher without an attestation"
    )


def test_a_file_has_one_publisher() -> None:
    other = json.loads(set_publisher(repository="trailofbits/other"))["attestation_bundles"]
    assert said(changed(lambda bundles: bundles.extend(other))) == (
        f"its provenance names several publishers: GitHub trailofbits/other (release.yml), {BY}"
    )


def test_an_attestation_by_a_person_with_sigstores_staging_keys_is_none() -> None:
    name = "rfc8785-0.1.2-py3-none-any.whl"
    attestation = json.loads((DATA / f"{name}.publish.attestation").read_bytes())
    claimed = {"kind": "GitHub", "repository": "trailofbits/rfc8785.py", "workflow": "release.yml"}
    provenance = {"version": 1, "attestation_bundles": [{"publisher": claimed, "attestations": [attestation]}]}
    sha256 = "c4e92e9ecc828bef2aa7dba1de8ac983511f7532a0df11c770d39099a25cf201"
    assert said(json.dumps(provenance).encode(), name, sha256) == (
        "its attestation by GitHub trailofbits/rfc8785.py (release.yml) does not verify: failed to build timestamp "
        "certificate chain: validation failed: candidates exhausted: signature does not match"
    )


@pytest.mark.parametrize(
    ("provenance", "expected"),
    [
        (b'{"version":1,"attestation_bundles":[]}', "its provenance is empty"),
        (b"{}", "its provenance is none as PEP 740 says (attestation_bundles: Field required)"),
        (b"[]", "its provenance is none as PEP 740 says (the whole: Input should be an object)"),
        (
            b"",
            "its provenance is none as PEP 740 says (the whole: Invalid JSON: EOF while parsing a value at line 1 "
            "column 0)",
        ),
        (
            b"[" * 100_000,
            "its provenance is none as PEP 740 says (the whole: Invalid JSON: recursion limit exceeded at line 1 "
            "column 202)",
        ),
        (
            GOOD.replace(b'"GitHub"', b'"Elsewhere"'),
            "its provenance is none as PEP 740 says (attestation_bundles.0.publisher: Input tag 'Elsewhere' found "
            "using 'kind' does not match any of the expected tags: 'GitHub', 'GitLab', 'Google', 'CircleCI')",
        ),
    ],
)
def test_what_is_no_provenance_is_refused_in_one_sentence(provenance: bytes, expected: str) -> None:
    assert said(provenance) == expected


@pytest.mark.live
def test_the_real_files_digest_is_attested(tmp_path: Path) -> None:
    upstream = Upstream(pip_environment(), time.monotonic() + 120)
    page = upstream.pages(["pypi-attestations"])["pypi-attestations"]
    assert page is not None
    url = next(file.url for file in page.files if file.filename == NAME)
    upstream.download(url, 10**6, tmp_path / NAME)
    assert said(GOOD, NAME, hashlib.sha256((tmp_path / NAME).read_bytes()).hexdigest()) == BY
