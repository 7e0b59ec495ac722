"""scripts/review.py: where facts come from, what happens where they cannot be had, and what is never asked."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from advisory_service import AdvisoryService, osv
from attestations_test import BY, GOOD, SHA256
from conftest import Checkout
from distributions import Distribution, sdist, wheel
from project import ALONE, copy_of_project, environment, make
from review_history import History, git, licensed

from scripts import locks, review, upstream
from scripts.locate import version_of
from scripts.page import Page
from scripts.pip_environment import pip_environment

IN = "-r requirements.in"
OLD, NEW = "2025-06-01", "2026-02-01"
ALL = ("age", "yanks", "skipped versions", "project status", "attestations", "licence", "what is inside")


@pytest.fixture
def history(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> History:
    """A history that begins with one project."""
    begun = History(checkout, capsys)
    begun.platforms = ["manylinux_2_28_x86_64"]
    begun.requirements = ["alpha"]
    begun.pin(IN, begun.offer(licensed("alpha", "1.0"), OLD))
    begun.write()
    begun.commit("begin")
    return begun


def told(history: History, project: str = "alpha") -> tuple[list[str], list[str]]:
    """Return what is said of a project, and what of it is not checked; a red fact begins with !, a yellow one with ?"""
    printed = json.loads(history.review("--format=json"))
    item = next(one for one in printed["items"] if project in one["projects"])
    marks = {"red": "! ", "yellow": "? ", "plain": ""}
    return [marks[fact["severity"]] + fact["text"] for fact in item["facts"]], item["unchecked"]


def take(history: History, *files: Distribution, **facts: Any) -> None:
    """Approve a new version of a project, which the upstream offers, and commit that."""
    history.pin(IN, *(history.offer(one, NEW, **facts) for one in files))
    history.write()
    history.commit("take")


def test_where_nothing_can_be_had_everything_is_not_checked_and_the_reason_stands_once(history: History) -> None:
    history.requirements += ["beta"]
    history.pin(IN, licensed("beta", "1.0"))
    history.pin(IN, licensed("alpha", "1.1"))
    history.write()
    history.commit("take")
    history.checkout.upstream.stop()
    printed = history.review()
    assert f"  - *not checked*: {', '.join(ALL)}\n" in printed
    assert printed.endswith(
        "### Not checked\n\n"
        "- the upstream's pages of 2 projects: no connection; is UPSTREAM right, and up?\n"
        "- advisories: the rule `vulnerabilities` is off\n\n"
        "<details><summary>Hashes</summary>\n\n```diff\n"
        "- alpha-1.0-py3-none-any.whl#1 alpha\n+ unknown alpha\n+ unknown beta\n```\n\n</details>\n"
    )


def test_one_page_that_cannot_be_had_keeps_no_other_away(history: History) -> None:
    history.requirements += ["beta"]
    history.pin(IN, history.offer(licensed("beta", "1.0"), NEW))
    take(history, licensed("alpha", "1.1"))
    history.checkout.upstream.fault("/simple/beta/", "500")
    assert told(history, "beta")[1] == [each for each in ALL if each != "skipped versions"]
    assert told(history, "alpha")[1] == []


def test_an_upstream_that_answers_nothing_is_not_asked_about_every_project(history: History) -> None:
    names = [f"project-{number}" for number in range(50)]
    history.requirements += names
    for name in names:
        history.pin(IN, history.offer(licensed(name, "1.0"), NEW))
        history.checkout.upstream.fault(f"/simple/{name}/", "500")
    history.write()
    history.commit("take")
    history.checkout.upstream.requests.clear()
    assert "- the upstream's pages of 50 projects: HTTP 500; is UPSTREAM right, and up?\n" in history.review()
    # Three that fail, and the three that are under way then.
    assert 3 <= len(set(history.checkout.upstream.page_requests())) <= 6


def test_what_is_published_is_known_without_the_upstream(history: History) -> None:
    assert history.checkout.index() == 0
    take(history, licensed("alpha", "1.1", "GPL-3.0-only"))
    assert history.checkout.index() == 0
    history.checkout.upstream.stop()
    assert told(history) == (
        [
            "? licence `MIT` → `GPL-3.0-only`",
            "direct, `requirements.in:1` (`alpha`)",
            "the newest file was 29 days old",
            "[home](<https://alpha.example/>) at `alpha.example`, "
            "[changes](<https://alpha.example/changes>) at `alpha.example`",
        ],
        ["skipped versions"],
    )


def test_of_replaced_bytes_that_are_held_the_differing_files_are_named(history: History) -> None:
    assert history.checkout.index() == 0
    take(history, licensed("alpha", "1.0", files={"alpha.py": b"import os\n"}))
    facts = told(history)[0]
    assert facts[:3] == [
        "! other bytes under the same name: `alpha-1.0-py3-none-any.whl`",
        "! other contents: `alpha-1.0.dist-info/RECORD`, `alpha.py`",
        "! the bytes of an approved release changed: 1 new, 1 gone",
    ]


def test_the_shared_folder_is_only_read(history: History) -> None:
    assert history.checkout.index() == 0
    take(history, licensed("alpha", "1.1"))
    before = {path: path.lstat().st_mtime_ns for path in history.checkout.root.rglob("*")}
    history.review()
    after = {path: path.lstat().st_mtime_ns for path in history.checkout.root.rglob("*")}
    assert after == before


def test_nothing_is_asked_about_where_nothing_changed(history: History) -> None:
    history.checkout.upstream.requests.clear()
    assert history.review(base="HEAD").split("\n")[1] == "## Nothing changed"
    assert history.checkout.upstream.requests == []


def test_bytes_that_are_not_those_of_the_hash_are_red(history: History) -> None:
    take(history, licensed("alpha", "1.1"))
    history.checkout.upstream.replace(
        licensed("alpha", "1.1", files={"evil.py": b""}, filename="alpha-1.1-py3-none-any.whl")
    )
    assert told(history)[0][0] == "! not sound: `the upstream sends other bytes than its page says`"


def test_a_wheel_that_is_not_sound_is_red(history: History) -> None:
    good = licensed("alpha", "1.1")
    take(history, Distribution(good.filename, good.data.replace(b"__version__", b"__vorsicht_"), good.metadata))
    assert told(history)[0][0].startswith("! not sound: `alpha-1.1-py3-none-any.whl ")


def test_a_download_that_breaks_off_is_not_checked_and_its_sidecar_tells_the_licence(history: History) -> None:
    one = licensed("alpha", "1.1", "GPL-3.0-only")
    take(history, one)
    history.checkout.upstream.fault(one.filename, "truncate")
    facts, unchecked = told(history)
    assert unchecked == ["what is inside"]
    assert "? licence `MIT` → `GPL-3.0-only`" in facts
    assert "- 1 file: the answer breaks off\n" in history.review()


def test_a_file_that_is_too_large_is_not_downloaded(history: History) -> None:
    history.rules = "  max_file_mb: 1\n"
    history.write()
    history.commit("a rule")
    one = licensed("alpha", "1.1", files={"alpha/x": bytes(1_100_000)})
    take(history, one)
    assert told(history)[1] == ["what is inside"]
    assert "- 1 file: larger than 1 MB, and not looked into\n" in history.review()
    assert one.filename not in history.checkout.upstream.file_requests()


def test_an_endless_download_ends_at_the_bound(history: History) -> None:
    history.rules = "  max_file_mb: 1\n"
    history.write()
    history.commit("a rule")
    one = licensed("alpha", "1.1")
    take(history, one, size=False)
    history.checkout.upstream.fault(one.filename, "endless")
    assert "- 1 file: the download is larger than 1000000 bytes\n" in history.review()


def test_a_project_that_the_upstream_does_not_know_is_to_be_looked_at(history: History) -> None:
    history.requirements += ["beta"]
    history.pin(IN, licensed("beta", "1.0"))
    history.write()
    history.commit("take")
    assert "? the upstream does not know the project" in told(history, "beta")[0]


def test_a_young_file_is_to_be_looked_at(history: History) -> None:
    history.pin(IN, history.offer(licensed("alpha", "1.1"), "2026-02-27"))
    history.write()
    history.commit("take")
    assert "? the newest file was 3 days old" in told(history)[0]


def test_an_index_without_times_leaves_the_age_unchecked(history: History) -> None:
    history.checkout.upstream.json = False
    take(history, licensed("alpha", "1.1"))
    assert told(history)[1] == ["age"]


def test_a_real_attestation_is_verified(history: History) -> None:
    history.more = "allow_sdists: [pypi-attestations]\n"
    history.requirements += ["pypi-attestations"]
    # The real file's hash; its bytes are not needed to verify what signs the hash.
    real = sdist("pypi-attestations", "0.0.19")
    history.offer(real, NEW, hashes=SHA256, provenance=GOOD)
    history.pin(IN, real)
    history.write()
    for path in locks.existing().values():
        fields, body = locks.split(path.read_text())
        text = locks.compose(
            next(iter(locks.existing())), fields["inputs"], fields["tools"], body.replace(real.sha256, SHA256),
            fields["uploaded-prior-to"],
        )  # fmt: skip
        path.write_text(text)
    history.commit("take")
    assert f"published by `{BY}`" in told(history, "pypi-attestations")[0]


def test_an_attestation_that_does_not_hold_is_red(history: History) -> None:
    take(history, licensed("alpha", "1.1"), provenance=GOOD)
    assert told(history)[0][0].startswith(
        f"! the attestation does not hold: `its attestation by {BY} does not verify: "
    )


def in_house(history: History, name: str, version: str) -> Distribution:
    """Put a wheel into the folder of what is built in-house, and approve it."""
    Path("wheels").mkdir(exist_ok=True)
    for path in Path("wheels").glob(f"{name}-*"):
        path.unlink()
    one = wheel(name, version)
    one.save(Path("wheels"))
    history.more = "first_party: wheels\n"
    history.requirements = sorted({*history.requirements, name})
    history.pin(f"{IN}\n{locks.FIRST_PARTY}", one)
    history.write()
    history.commit("in-house")
    return one


def test_no_upstream_is_asked_about_what_is_built_in_house(history: History) -> None:
    in_house(history, "secret", "1.0")
    history.checkout.upstream.requests.clear()
    assert told(history, "secret") == (
        [
            "built in-house",
            "direct, `requirements.in:2` (`secret`)",
            "licence `none stated`",
            "top-level names: `secret`",
        ],
        [],
    )
    in_house(history, "secret", "1.1")
    assert told(history, "secret")[1] == ["what was inside before"]
    assert not [request for request in history.checkout.upstream.requests if "secret" in request.path]


def test_an_in_house_name_that_comes_from_the_upstream_now_is_red(history: History) -> None:
    in_house(history, "secret", "1.0")
    for path in Path("wheels").iterdir():
        path.unlink()
    history.pin(IN, history.offer(licensed("secret", "99.0"), NEW))
    history.write()
    history.commit("confused")
    assert told(history, "secret")[0][0] == "! was built in-house, and comes from the upstream now"


def test_a_private_name_is_not_asked_about(history: History) -> None:
    history.rules = "  pinned_names: [acme-*]\n"
    history.requirements += ["acme-tool"]
    take(history, licensed("acme-tool", "1.0"))
    history.checkout.upstream.requests.clear()
    history.review()
    assert not [request for request in history.checkout.upstream.requests if "acme" in request.path]


def test_settings_that_cannot_be_read_are_red_and_the_rest_is_told(history: History) -> None:
    take(history, licensed("alpha", "1.1"))
    Path("packages.yaml").write_text("resolve_deps: maybe\n")
    printed = history.review()
    assert "- 🔴 the settings\n  - 🔴 `packages.yaml: resolve_deps: " in printed
    assert "- **alpha** 1.0 → 1.1\n  - via `-r requirements.in`\n" in printed


def test_a_waiver_that_has_expired_is_red(history: History) -> None:
    Path("waivers.yaml").write_text(
        "- rule: licenses\n  project: alpha\n  versions: '>=1'\n  reason: agreed\n"
        "  approved_by: A. Turing\n  expires: 2026-03-01\n"
    )
    history.commit("waive")
    assert told(history)[0][0] == "! expired on 2026-03-01"


def test_texts_of_others_stay_code(history: History) -> None:
    evil = "x`\n\n# @everyone <img src=x> [a](javascript:b)"
    take(history, licensed("alpha", "1.1"), yanked=evil)
    assert "  - 🔴 yanked: `x' # @everyone <img src=x> [a](javascript:b)`\n" in history.review()


def test_a_chain_through_a_line_that_is_no_pin_stays_code(history: History) -> None:
    history.requirements += ["beta"]
    history.pin("@evil<b>", history.offer(licensed("alpha", "1.1"), NEW))
    history.requirements.remove("alpha")
    history.pin(IN, history.offer(licensed("beta", "1.0"), NEW))
    history.write()
    path = next(iter(locks.existing().values()))
    path.write_text(f"{path.read_text()}@evil<b>==1\n    # via beta\n")
    history.commit("take")
    assert "via `requirements.in:1` (`beta`) → beta → `@evil<b>` → alpha" in told(history)[0]


def test_a_link_that_a_terminal_would_obey_is_left_out(history: History) -> None:
    headers = "Project-URL: Homepage, https://alpha.example/\x1b[31m\nProject-URL: Changes, https://alpha.example/(x)\n"
    take(history, wheel("alpha", "1.1", metadata_headers=headers))
    assert told(history)[0][-1] == "[changes](<https://alpha.example/(x)>) at `alpha.example`"


def test_a_target_that_is_gained_introduces_no_advisory_that_others_have(history: History, tmp_path: Path) -> None:
    with AdvisoryService(tmp_path) as service:
        history.rules = f"  vulnerabilities: {{service: osv, url: {service.url}}}\n"
        service.advisories["alpha", "1.0"] = [osv("alpha", "PYSEC-1")]
        history.pythons += ["3.13"]
        history.write()
        history.commit("gain")
        assert "leaves `PYSEC-1`" in told(history)[0]


def test_advisories_that_cannot_be_had_are_not_checked(history: History, tmp_path: Path) -> None:
    with AdvisoryService(tmp_path) as service:
        history.rules = f"  vulnerabilities: {{service: osv, url: {service.url}}}\n"
        service.fault = "500"
        take(history, licensed("alpha", "1.1"))
        assert told(history)[1] == ["advisories"]
        assert "- advisories: `the service osv at http://127.0.0.1:PORT/v1/query: HTTP 500`\n" in history.review()


def test_a_waiver_that_has_expired_excuses_nothing(history: History) -> None:
    Path("waivers.yaml").write_text(
        "- rule: yanked\n  project: alpha\n  versions: '>=1'\n  reason: agreed\n"
        "  approved_by: A. Turing\n  expires: 2026-03-01\n"
    )
    take(history, licensed("alpha", "1.1"), yanked=True)
    printed = history.review()
    assert "  - 🔴 yanked\n" in printed
    assert "waived" not in printed


@pytest.mark.parametrize(("old", "new"), [("  min_age_days: 14\n", ""), ("resolve_deps", "resolve_dep")])
def test_without_an_age_to_go_by_files_are_no_younger(history: History, old: str, new: str) -> None:
    def age() -> int:
        return next(int(fact.split()[4]) for fact in told(history)[0] if "newest file" in fact)

    take(history, licensed("alpha", "1.1"))
    before, settings = age(), Path("packages.yaml")
    assert before > 0
    settings.write_text(settings.read_text().replace(old, new))
    assert age() >= before


@pytest.mark.parametrize(("version", "is_excused"), [("1.1", True), ("1.1+local", False)])
def test_a_review_excuses_what_make_index_does(history: History, version: str, *, is_excused: bool) -> None:
    Path("waivers.yaml").write_text(
        "- rule: yanked\n  project: alpha\n  versions: '==1.1'\n  reason: agreed\n"
        "  approved_by: A. Turing\n  expires: 2099-03-01\n"
    )
    take(history, licensed("alpha", version), yanked=True)
    assert ("yanked (waived)" in history.review()) == is_excused


def test_a_folder_in_a_locks_place_is_a_lock_that_is_missing(history: History) -> None:
    path = next(iter(locks.existing().values()))
    path.unlink()
    path.mkdir()
    (path / "x").write_text("")
    history.commit("hide")
    printed = history.review()
    assert f"- 🔴 `{path}`\n  - 🔴 `missing; run make lock`\n" in printed
    assert "- **alpha** 1.0, removed\n" in printed


def test_a_lock_cannot_make_files_old_or_write_what_it_likes(history: History) -> None:
    history.pin(f"{IN}\n    # via @everyone <b>", history.offer(licensed("alpha", "1.1"), "2026-02-27"))
    history.day = datetime(9999, 12, 20, tzinfo=UTC)
    history.write()
    history.day = datetime(2026, 3, 3, tzinfo=UTC)
    history.commit("take")
    Path("requirements.in").write_text("beta\n")
    facts = told(history)[0]
    age = next(int(fact.split()[4]) for fact in facts if "newest file" in fact)
    assert age < (datetime.now(UTC) - datetime(2026, 2, 26, tzinfo=UTC)).days
    assert "via `-r requirements.in`, `@everyone <b>`" in facts


def test_strict_fails_for_what_is_red_alone(history: History, capsys: pytest.CaptureFixture[str]) -> None:
    where = [f"--root={history.checkout.root}", f"--upstream={history.checkout.upstream.url}", "--base=HEAD~1"]
    take(history, licensed("alpha", "1.1", "GPL-3.0-only"))
    assert "1 to look at" in history.review()
    assert review.main([*where, "--strict=1"]) == 0
    take(history, licensed("alpha", "1.2", "GPL-3.0-only"), yanked=True)
    assert [review.main([*where, f"--strict={value}"]) for value in ("", "0", "1")] == [0, 0, 1]
    capsys.readouterr()
    with pytest.raises(SystemExit, match="STRICT: 'yes' is neither 1 nor nothing; "):
        review.main([*where, "--strict=yes"])


def test_an_unknown_format_is_refused(history: History) -> None:
    with pytest.raises(SystemExit, match=r"^FORMAT=html: is neither markdown nor json; name one of the two$"):
        history.review("--format=html")


def test_each_page_and_each_file_is_asked_for_once(history: History) -> None:
    names = [f"project-{number}" for number in range(50)]
    history.requirements += names
    for version, uploaded in (("1.0", OLD), ("1.1", NEW)):
        for name in names:
            history.pin(IN, history.offer(licensed(name, version), uploaded))
        history.write()
        history.commit(version)
    history.checkout.upstream.requests.clear()
    assert "## 50 upgraded, nothing needs attention\n" in history.review()
    assert sorted(history.checkout.upstream.page_requests()) == sorted(f"/simple/{name}/" for name in names)
    files = [f"{name.replace('-', '_')}-{version}-py3-none-any.whl" for name in names for version in ("1.0", "1.1")]
    assert sorted(history.checkout.upstream.file_requests()) == sorted(files)


def test_make_review_passes_its_variables_on(tmp_path: Path) -> None:
    path = copy_of_project(tmp_path / "a checkout")
    for arguments in (("init", "--quiet"), ("add", "--all"), ("commit", "--quiet", "--message=x")):
        git("-C", str(path), *arguments)
    packages = path / "packages.yaml"
    packages.write_text(packages.read_text().replace("yanked: error", "yanked: off"))
    variables = ("BASE=HEAD", "FORMAT=json", "STRICT=1", "UPSTREAM=http://127.0.0.1:9/simple/")
    done = make(path, "review", *variables, env=environment(**ALONE))
    assert (done.returncode, done.stderr) == (0, "")
    assert [one["title"] for one in json.loads(done.stdout)["items"]] == ["packages.yaml: `policy.yanked`"]
    lock = next((path / "locks").rglob("*.txt"))
    lock.write_text(lock.read_text().replace("==", "==9!", 1))
    assert make(path, "review", *variables, env=environment(**ALONE)).returncode == 2
    assert make(path, "review", *variables, "STRICT=", env=environment(**ALONE)).returncode == 0


def _older(key: locks.Key, page: Page, project: str, now: Any) -> tuple[str, str]:
    """Return version and hash of what a target would have taken of a project before its present version."""
    wheels = [file for file in page.files if file.filename.endswith(".whl") and key.target.accepts(file.filename)]
    found = [(version_of(file.filename, project), file) for file in wheels]  # type: ignore[arg-type]
    before = max(version for version, _ in found if version and version < now and not version.is_prerelease)
    file = next(file for version, file in found if version == before)
    return str(before), file.digests["sha256"]


def _with_older(projects: Sequence[str]) -> None:
    """Let the shipped locks have an older version of projects."""
    registry = upstream.Upstream(pip_environment(), time.monotonic() + 120)
    for project, page in registry.pages(projects).items():
        assert page is not None
        for key, path in locks.existing().items():
            now = next(pin for pin in locks.read_pins(path) if pin.name == project)
            version, sha256 = _older(key, page, project, now.version)
            fields, body = locks.split(path.read_text())
            body = body.replace(f"\n{project}=={now.version} ", f"\n{project}=={version} ").replace(now.sha256, sha256)
            prior_to = fields["uploaded-prior-to"]
            path.write_text(locks.compose(key, fields["inputs"], fields["tools"], body, prior_to))


@pytest.mark.live
def test_an_upgrade_of_two_shipped_packages_is_reviewed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = copy_of_project(tmp_path / "checkout")
    monkeypatch.chdir(path)
    now = {key: lock.read_text() for key, lock in locks.existing().items()}
    _with_older(["markupsafe", "rich"])
    for arguments in (("init", "--quiet"), ("add", "--all"), ("commit", "--quiet", "--message=older")):
        git(*arguments)
    for key, text in now.items():
        key.path.write_text(text)
    assert review.main(["--base=HEAD", f"--root={tmp_path / 'none'}"]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"^## (\d to look at, )?2 upgraded", printed, re.MULTILINE)
    assert re.search(r"^- (🟡 )?\*\*markupsafe\*\* \S+ → \S+ \(every lock\)$", printed, re.MULTILINE)
    assert "what is inside" not in printed
    assert "`requirements.in:2` (`flask`) → flask → markupsafe" in printed
