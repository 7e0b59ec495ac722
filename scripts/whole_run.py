"""locks/ -> $(PYPI_ROOT): all the work of `make index`, when something may have changed.

fetch → list → judge → build → check → publish, under the shared folder's lock. Whatever goes wrong before the last step
leaves what is published as it was.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from scripts import collector, judge, last_run, manifest, rolled_back
from scripts.before import Before, before_of, read_digests
from scripts.build import build_and_ask
from scripts.config import Config
from scripts.fetch import Source
from scripts.fingerprint import inputs_digest
from scripts.gather import gather, read_approved
from scripts.last_run import FILES, PAGES, Record
from scripts.learned import lines, read
from scripts.locate import Wanted
from scripts.origin import locks_digest, origin_of
from scripts.publish import Made, Published, Signing, publish
from scripts.release import next_due
from scripts.report import Report
from scripts.root import Root, opened
from scripts.stage import stage
from scripts.terminal import disk_errors

_CHANGED = "the checkout, or our own code, changed while make index worked with it; nothing is published, run it again"


def _before(root: Root, beside: dict[str, bytes]) -> Before | None:
    """Return what the live release has that need not be written again; None where nobody can tell."""
    if root.live is None or PAGES not in beside:
        return None
    return before_of(root.live, manifest.read(root.live).files, read_digests(beside.pop(PAGES)))


class _Checkout(NamedTuple):
    """The checkout as this run read it, and a digest of all that decides what is published."""

    settings: Config
    wanted: Wanted
    args: argparse.Namespace
    inputs: str = ""

    @property
    def paths(self) -> Sequence[str]:
        """What packages.yaml names: the requirement files, and the folder of in-house wheels."""
        files = {file.path for one in self.settings.sets for file in one.files}
        return sorted(filter(None, {*files, self.settings.first_party}))

    def is_as_read(self) -> bool:
        """Whether nothing of it, nor of the code, has changed since; what goes while it is read has."""
        try:
            return inputs_digest(self.args, self.paths) == self.inputs
        except OSError:
            return False

    def refuse_other(self) -> None:
        """Raise SystemExit where something has: the release would tell of what it is not made of."""
        if not self.is_as_read():
            raise SystemExit(_CHANGED)


def _read_checkout(args: argparse.Namespace) -> _Checkout:
    before = inputs_digest(args, ())
    read = _Checkout(*read_approved(), args)
    if inputs_digest(args, ()) != before:
        raise SystemExit(_CHANGED)
    return read._replace(inputs=inputs_digest(args, read.paths))


def _publish(
    root: Root, checkout: _Checkout, report: Report, beside: dict[str, bytes]
) -> tuple[Published, dict[str, Iterable[bytes]]]:
    """Do the work; returns with what was published what the next run can use."""
    settings, wanted, args, _ = checkout
    learned = read(beside.pop(FILES, b""))  # as text it takes as much again
    source = Source(args.upstream, args.fetch_timeout, args.allowed_signers)
    gathered = gather(root, wanted, settings, source, learned)
    offer = judge.policy_findings(report, gathered.offer, settings, gathered.memory, args.upstream)
    with tempfile.TemporaryDirectory(dir=root.scratch) as folder:
        site = Path(folder) / "site"
        closure = partial(judge.closure_findings, offer, settings)
        built, (findings, questions) = build_and_ask(offer, site, _before(root, beside), closure)
        report.add(findings)
        if questions:
            report.add(judge.conflict_findings(offer, questions, settings, site, gathered.paths))
        offer.forget_served()
        report.close()
        checkout.refuse_other()
        origin = origin_of(stage(root, args.caddy), settings.sets)
        checkout.refuse_other()  # origin_of read it again
        made = Made(offer, site, built, gathered.paths, gathered.moment, wanted, origin)
        signing = Signing(args.signing_key, args.allowed_signers)
        published = publish(root, made, args.keep, signing, is_forced=args.force)
    rolled_back.forget(root)
    distributions = (file.distribution for file in offer.files)
    return published, {
        PAGES: [json.dumps(built.digests).encode()],
        FILES: lines(distributions, is_checked=published.is_new),
    }


@collector.at_rest()
def publish_all(args: argparse.Namespace) -> str:
    """Publish, leave a record of it, and return what was done.

    Raises SystemExit with a sentence for the user where that cannot be done.
    """
    day = last_run.today()
    checkout = _read_checkout(args)
    settings, wanted = checkout.settings, checkout.wanted
    report = judge.open_report(settings)
    report.add(judge.private_names(wanted, settings))
    report.stop()
    holds = f"{len({pin.name for pin in wanted})} projects, {len({pin.sha256 for pin in wanted})} files"
    with opened(args.root) as root:
        checkout.refuse_other()  # another run may have kept this one waiting
        rolled_back.refuse(root, locks_digest(), is_forced=args.force)
        with disk_errors(args.root, "make index"):
            beside = last_run.take(root, args.signing_key)
            published, left = _publish(root, checkout, report, beside)
            # Whether a version has advisories changes without us, and what was said may be of the change itself.
            is_to_repeat = settings.policy.vulnerabilities.is_on or (published.is_new and report.said)
            due = 0.0 if is_to_repeat else next_due(root, args.keep)
            release, is_new, done = published
            record = Record(day, checkout.paths, checkout.inputs, release, holds, report.said, due, pool=done.pool)
            if checkout.is_as_read():
                last_run.keep(root, record, left, args.signing_key)
    state = "published" if is_new else "mended, still" if done.added or done.retired else "nothing changed, still"
    return f"{state} {release}: {holds} ({done.added} added, {done.retired} retired)"
