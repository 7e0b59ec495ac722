"""locks/ -> $(PYPI_ROOT): all the work of `make index`, when something may have changed.

fetch → list → judge → build → check → publish, under the shared folder's lock. Whatever goes wrong before the last step
leaves what is published as it was.
"""

from __future__ import annotations

import argparse
import gc
import json
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from scripts import judge, last_run, manifest, rolled_back
from scripts.before import Before, before_of, read_digests
from scripts.build import build_and_ask
from scripts.config import Config
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


def _before(root: Root, beside: dict[str, bytes]) -> Before | None:
    """Return what the live release has that need not be written again; None where nobody can tell."""
    if root.live is None or PAGES not in beside:
        return None
    return before_of(root.live, manifest.read(root.live).files, read_digests(beside.pop(PAGES)))


def _publish(
    root: Root,
    wanted: Wanted,
    args: argparse.Namespace,
    settings: Config,
    report: Report,
    beside: dict[str, bytes],
) -> tuple[Published, dict[str, Iterable[bytes]]]:
    """Do the work; returns with what was published what the next run can use."""
    learned = read(beside.pop(FILES, b""))  # as text it takes as much again
    gathered = gather(root, wanted, settings, upstream=args.upstream, timeout=args.fetch_timeout, learned=learned)
    offer = judge.policy_findings(report, gathered.offer, settings, root, args.upstream)
    with tempfile.TemporaryDirectory(dir=root.scratch) as folder:
        site = Path(folder) / "site"
        closure = partial(judge.closure_findings, offer, settings)
        built, (findings, questions) = build_and_ask(offer, site, _before(root, beside), closure)
        report.add(findings)
        if questions:
            report.add(judge.conflict_findings(offer, questions, settings, site, gathered.paths))
        offer.forget_served()
        report.close()
        origin = origin_of(stage(root, args.caddy))
        made = Made(offer, site, built, gathered.paths, gathered.moment, wanted, origin)
        signing = Signing(args.signing_key, args.allowed_signers)
        published = publish(root, made, args.keep, signing, is_forced=args.force)
    rolled_back.forget(root)
    distributions = (file.distribution for file in offer.files)
    return published, {
        PAGES: [json.dumps(built.digests).encode()],
        FILES: lines(distributions, is_checked=published.is_new),
    }


def _paths(settings: Config) -> Sequence[str]:
    """List what packages.yaml names: the requirement files, and the folder of in-house wheels."""
    files = {file.path for one in settings.sets for file in one.files}
    return sorted(filter(None, {*files, settings.first_party}))


@contextmanager
def _without_collector() -> Iterator[None]:
    """Let the garbage collector rest: millions of objects live to the end, none in circles, and it looks at each."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@_without_collector()
def publish_all(args: argparse.Namespace) -> str:
    """Publish, leave a record of it, and return what was done.

    Raises SystemExit with a sentence for the user where that cannot be done.
    """
    day = last_run.today()
    settings, wanted = read_approved()
    inputs = inputs_digest(args, paths := _paths(settings))
    report = judge.open_report(settings)
    report.add(judge.private_names(wanted, settings))
    report.stop()
    holds = f"{len({pin.name for pin in wanted})} projects, {len({pin.sha256 for pin in wanted})} files"
    with opened(args.root) as root:
        rolled_back.refuse(root, locks_digest(), is_forced=args.force)
        with disk_errors(args.root, "make index"):
            beside = last_run.take(root, args.signing_key)
            done, left = _publish(root, wanted, args, settings, report, beside)
            # Whether a version has advisories changes without us, and what was said may be of the change itself.
            is_to_repeat = settings.policy.vulnerabilities.is_on or (done.is_new and report.said)
            due = 0.0 if is_to_repeat else next_due(root, args.keep)
            record = Record(day, paths, inputs, done.release, holds, report.said, due)
            last_run.keep(root, record, left, args.signing_key)
    state = "published" if done.is_new else "nothing changed, still"
    return f"{state} {done.release}: {holds} ({done.added} added, {done.retired} retired)"
