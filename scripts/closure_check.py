"""What is offered, locks -> findings: what clients of each lock would miss, told as chains and grouped by target."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from scripts import closure
from scripts.closure import Missing, Node
from scripts.config import Config
from scripts.finding import Finding
from scripts.locks import Key
from scripts.offer import Offer
from scripts.requirements import Line
from scripts.target import Target
from scripts.target_names import target_names

RULE = "closure"


class Gap(NamedTuple):
    """A dependency that nothing meets. labels are the chain to it, project and version those of its end."""

    set_name: str
    labels: tuple[str, ...]
    project: str
    version: str
    need: str


def _shown(need: Requirement) -> str:
    """Write a requirement without its marker, which holds."""
    need.marker = None
    return str(need)


class Check:
    """The closure of every lock of an offer."""

    def __init__(self, offer: Offer, settings: Config) -> None:
        self.offer = offer
        self._settings = settings
        self._sets = {one.name: one for one in settings.sets}
        self._files = {file.distribution.filename: file for file in offer.files}
        self.served = offer.served
        self.missing = {key: list(self._missing(key)) for key in self.served}

    def roots(self, key: Key) -> list[Line]:
        """List a set's requirements whose marker holds on the target."""
        return [line for line in self._sets[key.set_name].lines if self.served[key].holds(line.text)]

    def _missing(self, key: Key) -> Iterator[Missing]:
        return closure.missing(self.served[key], self.roots(key), self.offer.files)

    def _label(self, node: Node) -> str:
        one = self._files[node.filename].distribution
        return f"{one.name}{f'[{node.extra}]' if node.extra else ''} {one.version}"

    def gaps(self) -> dict[Gap, list[Target]]:
        """Return what is missing, each chain with all its targets."""
        found: dict[Gap, list[Target]] = {}
        for key, missing in self.missing.items():
            for one in missing:
                found.setdefault(self._gap(key, one), []).append(key.target)
        return found

    def _gap(self, key: Key, missing: Missing) -> Gap:
        if not missing.chain:
            name = canonicalize_name(Requirement(missing.need).name)
            return Gap(key.set_name, (missing.where,), name, "", missing.need)
        one = self._files[missing.chain[-1].filename].distribution
        return Gap(key.set_name, tuple(map(self._label, missing.chain)), one.name, str(one.version), missing.need)

    def findings(self) -> list[Finding]:
        """Return a finding for each gap, and one for each sdist, whose dependencies nobody knows."""
        gaps = [self._gap_finding(gap, targets) for gap, targets in self.gaps().items()]
        sdists = [file.distribution for file in self.offer.files if file.distribution.metadata is None]
        fact = "an sdist, whose dependencies are not known without running its code"
        unknown = [
            Finding(RULE, one.name, str(one.version), f"{one.name} {one.version}: {fact}", is_checked=False)
            for one in sdists
        ]
        return gaps + unknown

    def _gap_finding(self, gap: Gap, targets: Sequence[Target]) -> Finding:
        have = "has" if len(set(targets)) == 1 else "have"
        chain = " → ".join([*gap.labels, _shown(Requirement(gap.need))])
        text = f"{chain}: {target_names(targets)} {have} none ({self._instead(gap.need, targets)})"
        return Finding(RULE, gap.project, gap.version, text, line=self._line(gap))

    def _line(self, gap: Gap) -> tuple[str, str] | None:
        """Return the line that would fill a gap, where a person writes every one."""
        need = Requirement(gap.need)
        if self._settings.resolve_deps or need.url:
            return None
        return self._sets[gap.set_name].files[0].path, self._pin(need)

    def _instead(self, need: str, targets: Sequence[Target]) -> str:
        """Say what there is of a project that is needed otherwise."""
        wanted = Requirement(need)
        if wanted.url:
            return "it is a URL, past any index"
        project = canonicalize_name(wanted.name)
        if not (files := self.offer.projects.get(project)):
            return "the index has no such project"
        here = [file for key, one in self.served.items() if key.target in targets for file in one.files(project)]
        versions = sorted({(file.distribution.version, bool(file.facts.yanked)) for file in here or files})
        named = ", ".join(f"{version}{' (yanked)' * yanked}" for version, yanked in versions)
        return f"the index has {named}" + ("" if here else ", for other targets")

    def _pin(self, need: Requirement) -> str:
        """Return a line that may fill a gap; `make lock` says what there is where that version is none."""
        served = [file.distribution.version for file in self.offer.projects.get(canonicalize_name(need.name), [])]
        bounds = (one.version for one in need.specifier if one.operator in {"==", ">=", "~=", "<="})
        named = sorted(Version(version) for version in bounds if not version.endswith(".*"))
        fitting = [one for one in (*named, *sorted(served)) if need.specifier.contains(one, prereleases=True)]
        return f"{canonicalize_name(need.name)}=={fitting[-1] if fitting else 'VERSION'}"
