"""A file's stored provenance (PEP 740) -> its publisher, verified offline with pypi-attestations.

Nothing is asked of the network. The keys and certificates to trust are those that sigstore's package brings along: an
upgrade of the pinned tools brings newer ones, without which attestations of their time do not verify.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from scripts.texts import one_line

if TYPE_CHECKING:
    from pypi_attestations import Attestation, Provenance, Publisher

_MAX_REASON = 300
_FOLDERS = ("XDG_CACHE_HOME", "XDG_DATA_HOME")


def _clean(text: str) -> str:
    return one_line(text, _MAX_REASON)


@contextmanager
def _trust_of_the_package() -> Iterator[None]:
    """Give sigstore an empty cache, which it fills from its package: offline it would believe what lies in the user's.

    The process's environment is changed meanwhile, so this is for one thread at a time.
    """
    kept = {name: os.environ.get(name) for name in _FOLDERS}
    with TemporaryDirectory(prefix="sigstore-") as folder:
        os.environ.update(dict.fromkeys(_FOLDERS, folder))
        try:
            yield
        finally:
            os.environ.update({name: value for name, value in kept.items() if value is not None})
            for name in (name for name, value in kept.items() if value is None):
                del os.environ[name]


def _parse(provenance: bytes) -> Provenance:
    # A third of a second, which runs without anything to verify need not wait for.
    from pydantic import ValidationError
    from pypi_attestations import Provenance

    # It warns each time that it works offline, which is what it is told to do.
    logging.getLogger("sigstore._internal.tuf").setLevel(logging.ERROR)
    try:
        return Provenance.model_validate_json(provenance)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        raise ValueError(_clean(f"its provenance is none as PEP 740 says ({where}: {first['msg']})")) from None


def _line(publisher: Publisher) -> str:
    """Return what identifies a publisher, all of which its certificate proves.

    That leaves out the environment of GitHub and GitLab: no certificate is compared with it, it is the index's word.
    """
    match publisher.kind:
        case "GitHub":
            return f"GitHub {publisher.repository} ({publisher.workflow})"
        case "GitLab":
            return f"GitLab {publisher.repository} ({publisher.workflow_filepath})"
        case "Google":
            return f"Google {publisher.email}"
        case "CircleCI":
            return f"CircleCI {publisher.project_id} ({publisher.pipeline_definition_id})"


def _reason(error: Exception) -> str:
    text = str(error).removeprefix("Verification failed: ") or type(error).__name__
    # The library shows the certificate's field as a Python object.
    return "its certificate is of another workflow" if "Build Config URI" in text else text


def _verify(attestation: Attestation, publisher: Publisher, filename: str, sha256: str) -> None:
    from pypi_attestations import Distribution

    try:
        attestation.verify(publisher, Distribution(name=filename, digest=sha256), offline=True)
    # Hostile bytes lead its libraries to errors of their own kinds, and nothing that raises one is verified.
    except Exception as error:
        raise ValueError(_clean(f"its attestation by {_line(publisher)} does not verify: {_reason(error)}")) from None


def publisher(provenance: bytes, filename: str, sha256: str) -> str:
    """Return who published a file, as one line such as `GitHub owner/repository (release.yml)`.

    provenance is the object as the index gave it, sha256 the file's own in hex. Every attestation in it is verified.
    Raises ValueError with a reason, to stand behind the file's name, where one does not verify, there is none, or they
    are of several publishers.
    """
    bundles = _parse(provenance).attestation_bundles
    if not bundles or not all(bundle.attestations for bundle in bundles):
        raise ValueError(
            "its provenance holds a publisher without an attestation" if bundles else "its provenance is empty"
        )
    lines = sorted({_line(bundle.publisher) for bundle in bundles})
    if len(lines) > 1:
        raise ValueError(_clean(f"its provenance names several publishers: {', '.join(lines)}"))
    with _trust_of_the_package():
        for bundle in bundles:
            for attestation in bundle.attestations:
                _verify(attestation, bundle.publisher, filename, sha256)
    return lines[0]
