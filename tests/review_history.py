"""A curated index's history: a git repository of requirements and locks, made a commit at a time, and its reviews."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import manifests
import pytest
from conftest import Checkout
from distributions import Distribution, wheel
from upstream import _identity

from scripts import config, locks, review
from scripts.target import Target

TOOLS = "pip-compile 7.6.2, pip 26.3"
RELEASE = "20260101T000000Z-000000000000"


def git(*arguments: str, day: str = "2026-03-01") -> str:
    """Run git in the current folder, as nobody in particular and at noon of a day."""
    moment = f"{day}T12:00:00+00:00"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment = kept | {"GIT_AUTHOR_DATE": moment, "GIT_COMMITTER_DATE": moment, "GIT_CONFIG_GLOBAL": os.devnull}
    who = ("-c", "user.name=A. Turing", "-c", "user.email=turing@example.com", "-c", "init.defaultBranch=main")
    done = subprocess.run(("git", *who, *arguments), env=environment, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def licensed(name: str, version: str, licence: str = "MIT", **more: object) -> Distribution:
    """Return a wheel that states a licence and where its project lives."""
    headers = (
        f"License-Expression: {licence}\nProject-URL: Homepage, https://{name}.example/\n"
        f"Project-URL: Changelog, https://{name}.example/changes\n"
    )
    return wheel(name, version, metadata_headers=headers, **more)  # type: ignore[arg-type]


class History:
    """What is approved now, to be changed and committed. pins map a project to its files and to what asks for it."""

    def __init__(self, checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
        self.checkout, self._capsys = checkout, capsys
        self.pins: dict[str, tuple[Sequence[Distribution], str]] = {}
        self.pythons, self.platforms = ["3.12"], ["manylinux_2_28_x86_64", "win_amd64"]
        self.requirements: list[str] = []
        self.rules, self.more = "", ""
        self.tools = TOOLS
        self.day = datetime(2026, 3, 1, tzinfo=UTC)
        self.labels: dict[str, str] = {}
        git("init", "--quiet")

    def offer(self, one: Distribution, uploaded: str, **told: object) -> Distribution:
        """Put a file on the upstream."""
        self.checkout.upstream.add(one, upload_time=f"{uploaded}T00:00:00Z", **told)  # type: ignore[arg-type]
        same = sum(label.startswith(one.filename) for label in self.labels.values())
        self.labels[one.sha256] = f"{one.filename}#{same + 1}"
        return one

    def pin(self, via: str, *files: Distribution) -> None:
        """Approve the files of a version, each where it fits, in place of what was there; via is what asks for it."""
        self.pins[_identity(files[0].filename)[0]] = (files, via)

    def _block(self, target: Target, files: Sequence[Distribution], via: str) -> str:
        fits = [one for one in files if not one.filename.endswith(".whl") or target.accepts(one.filename)]
        if not fits:
            return ""
        name, version = _identity(fits[0].filename)
        hashes = " \\\n".join(f"    --hash=sha256:{one.sha256}" for one in fits)
        return f"{name}=={version} \\\n{hashes}\n    # via {via}\n"

    def write(self) -> None:
        """Write all that people and `make lock` would."""
        targets = f"python_versions: {json.dumps(self.pythons)}\nplatforms: {json.dumps(self.platforms)}\n"
        Path("packages.yaml").write_text(
            f"resolve_deps: true\n{targets}policy:\n  min_age_days: 14\n{self.rules}{self.more}"
        )
        Path("requirements.in").write_text("".join(f"{line}\n" for line in self.requirements))
        settings = config.load(Path())
        for path in locks.existing().values():
            path.unlink()
        for key in locks.expected(settings):
            body = "".join(self._block(key.target, *self.pins[name]) for name in sorted(self.pins))
            digest = locks.inputs_digest(settings, settings.sets[0], key.target)
            prior_to = (self.day - timedelta(days=14)).isoformat()
            key.path.parent.mkdir(parents=True, exist_ok=True)
            key.path.write_text(locks.compose(key, digest, self.tools, body, prior_to))

    def commit(self, message: str) -> None:
        """Commit everything, a day later than the commit before."""
        git("add", "--all")
        git("commit", "--quiet", f"--message={message}", day=f"{self.day:%Y-%m-%d}")
        self.day += timedelta(days=1)

    def review(self, *options: str, base: str = "HEAD~1") -> str:
        """Return what `make review` prints; ids and hashes have names that are the same each time."""
        root = f"--root={self.checkout.root}"
        self._capsys.readouterr()
        review.main([f"--base={base}", root, f"--upstream={self.checkout.upstream.url}", *options])
        printed = self._capsys.readouterr()
        assert printed.err == ""
        named = re.sub(r"[0-9a-f]{64}", lambda found: self.labels.get(found[0], "unknown"), printed.out)
        named = re.sub(r"Compared with `[0-9a-f]{12}`", "Compared with `BASE`", named)
        return re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", named)

    def publishers(self, told: Mapping[Distribution, str]) -> None:
        """Let a release say who published files, as it does once their provenance was verified."""
        release = self.checkout.root / "releases" / RELEASE
        (release / "provenance").mkdir(parents=True)
        (release / "release.txt").write_text(f"{RELEASE}\n")
        pages: dict[str, list[dict[str, object]]] = {}
        for one, by in told.items():
            provenance = f'{{"by": "{by}"}}'.encode()
            (release / "provenance" / f"{one.filename}.json").write_bytes(provenance)
            known = {"_publisher": by, "_provenance-sha256": hashlib.sha256(provenance).hexdigest()} if by else {}
            file: dict[str, object] = {"filename": one.filename, "hashes": {"sha256": one.sha256}, **known}
            pages.setdefault(_identity(one.filename)[0], []).append(file)
        for name, files in pages.items():
            (release / "simple" / name).mkdir(parents=True)
            (release / "simple" / name / "index.json").write_text(json.dumps({"files": files}))
        lines = (json.dumps({"filename": one.filename, "hash": f"sha256={one.sha256}"}) for one in told)
        (release / "files.jsonl").write_text("".join(f"{line}\n" for line in lines))
        manifests.make(release)
