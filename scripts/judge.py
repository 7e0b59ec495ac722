"""What would be published, packages.yaml, waivers.yaml -> report: closure and policy, before anything is published."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from scripts import attested, closure_check, conflicts, locks, policy, waivers
from scripts.closure_check import Check
from scripts.config import Config
from scripts.conflicts import Question
from scripts.distribution import read_metadata
from scripts.finding import Finding, via
from scripts.locate import Wanted
from scripts.memory import Memory
from scripts.offer import Offer
from scripts.pip_environment import pip_environment
from scripts.policy import Context
from scripts.report import Report
from scripts.target_names import for_whom
from scripts.why import chains


def open_report(settings: Config, *, only: str = "") -> Report:
    """Return an empty report that knows the levels of the rules, and the waivers of the checkout, or of one rule."""
    levels = {name: rule.level for name, rule in settings.policy._asdict().items()}
    exceptions = [one for one in waivers.load(Path()) if only in {"", one.rule}]
    outcome = "" if only else "nothing is published; "
    return Report({closure_check.RULE: settings.closure, **levels}, exceptions, outcome=outcome)


def private_names(wanted: Wanted, settings: Config) -> Iterator[Finding]:
    """Yield the pins that a lock takes from the upstream under a name that only in-house projects may have."""
    rule = settings.policy.pinned_names
    if not rule.is_on:
        return
    in_house, why = locks.in_house(locks.existing()), chains(settings.sets, locks.existing())
    for pin, keys in wanted.items():
        pattern = rule.pattern_of(pin.name)
        if pattern and pin not in in_house:
            where = "; ".join(filter(None, [for_whom(keys, locks.existing()), via(pin.name, why)]))
            fact = f'its name is private by "{pattern}", and the lock takes it from the upstream'
            yield Finding("pinned_names", pin.name, str(pin.version), f"{pin}: {fact} ({where})")


def refuse_private(wanted: Wanted, settings: Config) -> None:
    """Raise SystemExit where a lock would have the upstream asked for a private name, unless that is waived."""
    report = open_report(settings, only="pinned_names")
    report.add(private_names(wanted, settings))
    report.stop()


def policy_findings(report: Report, offer: Offer, settings: Config, memory: Memory, upstream: str) -> Offer:
    """Add what the rules find; returns the offer with what they learned of its files."""
    if settings.policy.attestations.is_on:
        offer, found = attested.attested(offer, memory)
        report.add(found)
    # A lock's date cannot be later than today's; one that has none is judged as if it were made now.
    latest = datetime.now(UTC) - timedelta(days=settings.policy.min_age_days.limit)
    dates = {key: min(locks.read_cutoff(path) or latest, latest) for key, path in locks.existing().items()}
    environment = pip_environment(upstream) if settings.policy.vulnerabilities.is_on else {}
    report.add(policy.findings(Context(offer, settings.policy, memory, dates, environment)))
    return offer


def closure_findings(offer: Offer, settings: Config) -> tuple[list[Finding], list[Question]]:
    """Return what clients would miss, and what only a site can tell, once it is built; no memory of it is left."""
    if settings.closure == "off":
        return [], []
    check = Check(offer, settings)
    found = check.findings(), conflicts.doubtful(check)
    offer.forget_served()
    return found


def conflict_findings(
    offer: Offer, questions: list[Question], settings: Config, site: Path, paths: Mapping[str, Path]
) -> list[Finding]:
    """Return what clients could not resolve from the site."""
    with tempfile.TemporaryDirectory() as folder:
        _lay_out(Path(folder), offer, site, paths)
        return conflicts.findings(offer, questions, settings, Path(folder))


def _lay_out(tree: Path, offer: Offer, site: Path, paths: Mapping[str, Path]) -> None:
    """Put pages and files where a server would show them; the files stay where they are."""
    (tree / "simple").symlink_to(site / "simple")
    (tree / "packages").mkdir()
    for one in (file.distribution for file in offer.files):
        (tree / "packages" / one.filename).symlink_to(paths[one.sha256].absolute())
        if one.metadata is not None:
            (tree / "packages" / f"{one.filename}.metadata").write_bytes(read_metadata(paths[one.sha256]))
