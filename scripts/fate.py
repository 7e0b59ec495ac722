"""A file that is held, the upstream's page of today -> what became of it there since it was taken."""

from __future__ import annotations

from collections.abc import Sequence

from pypi_simple import DistributionPackage

from scripts.texts import one_line

_MAX_TEXT = 300


def fate(
    filename: str, sha256: str, there: Sequence[DistributionPackage], *, was_yanked: bool
) -> tuple[str, str] | None:
    """Return the rule and the fact where a file is not on the upstream's page as it was, else None."""
    digests = {each.filename: each.digests.get("sha256", "").lower() for each in there}
    same = [each for each in there if each.digests.get("sha256", "").lower() == sha256]
    if not same and digests.get(filename):
        return "changed", f"the upstream has another file of this name, with sha256 {digests[filename]}"
    if not same and filename in digests:
        return "unknown", "the upstream tells no sha256 of it"
    if not same:
        return "deleted", "deleted upstream"
    if same[0].is_yanked and not was_yanked:
        reason = one_line(same[0].yanked_reason or "", _MAX_TEXT)
        return "yanked", f"yanked upstream{f': {reason}' if reason else ', without a reason'}"
    return None
