"""scripts/first_party.py, candidates.py: in-house wheels are locked and published like others, and never confused."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from approved import approve, missing
from conftest import Checkout
from distributions import Distribution, sdist, wheel
from index_test import refusal
from lock_test import failure, hashes, pins
from upstream import Upstream

from scripts import closure_matrix, lock_check, locks

TARGET = 'python_versions: ["3.12"]\nplatforms: [manylinux_2_28_x86_64]\n'
PATH = "locks/requirements/3.12-manylinux_2_28_x86_64.txt"
OWN = wheel("acme-tools", "1.0", requires=["beta"])
BETA = wheel("beta", "1.0")
EVIL = wheel("acme-tools", "99.0", files={"evil.py": b"evil"})


def build(checkout: Checkout, *wheels: Distribution) -> Path:
    """Put wheels into the folder of in-house ones."""
    folder = checkout.path / "wheels"
    folder.mkdir(exist_ok=True)
    for one in wheels:
        one.save(folder)
    return folder


def in_house(checkout: Checkout, requirements: str = "acme_tools\n", yaml: str = "resolve_deps: true\n") -> None:
    """Set the confusion up: a project of our own, and one of its name, with a higher version, at the upstream."""
    build(checkout, OWN)
    for one in (EVIL, BETA, wheel("acme-tools", "1.0", files={"evil.py": b"evil"})):
        checkout.upstream.add(one)
    checkout.write(requirements, packages_yaml=f"{TARGET}first_party: wheels\n{yaml}")


def test_an_in_house_wheel_is_on_the_disk_before_it_has_its_name(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(checkout, OWN)
    checkout.write("acme-tools==1.0\n", packages_yaml=f"{TARGET}first_party: wheels\nclosure: off\n")
    checkout.lock()
    synced, fsync = set[str](), os.fsync

    def sync(descriptor: int) -> None:
        synced.add(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", sync)
    checkout.index()
    assert OWN.filename in synced


# Locks


@pytest.mark.parametrize(
    ("requirements", "yaml"),
    [
        ("acme_tools\n", "resolve_deps: true\n"),
        ("acme_tools>=0.1\nbeta\n", "resolve_deps: true\n"),
        ("Acme.Tools==1.0\nbeta==1.0\n", ""),
    ],
)
def test_a_name_that_exists_in_house_is_never_taken_from_the_upstream(
    checkout: Checkout, requirements: str, yaml: str
) -> None:
    in_house(checkout, requirements, yaml)
    assert checkout.lock() == 0
    assert pins(checkout) == ["acme-tools==1.0", "beta==1.0"]
    assert hashes(checkout) == [OWN.sha256, BETA.sha256]
    assert checkout.index() == 0
    assert (checkout.root / "web" / "packages" / OWN.filename).read_bytes() == OWN.data
    assert "/simple/acme-tools/" not in checkout.upstream.page_requests()


def test_the_lock_marks_what_is_built_in_house(checkout: Checkout) -> None:
    in_house(checkout)
    checkout.lock()
    body = locks.read_body(Path(PATH))
    assert body == (
        f"acme-tools==1.0 \\\n    --hash=sha256:{OWN.sha256}\n    # via -r requirements.in\n    # first-party\n"
        f"beta==1.0 \\\n    --hash=sha256:{BETA.sha256}\n    # via acme-tools\n"
    )
    assert lock_check.main([]) == 0


def test_a_need_of_an_upstream_project_is_met_in_house_too(checkout: Checkout) -> None:
    in_house(checkout, "app\n")
    checkout.upstream.add(wheel("app", "1.0", requires=["acme-tools>=1"]))
    checkout.lock()
    assert hashes(checkout)[0] == OWN.sha256


@pytest.mark.parametrize(
    ("requirements", "yaml", "expected"),
    [
        ("acme-tools>2\n", "resolve_deps: true\n", "requirements.in:1: acme-tools>2: "),
        ("acme-tools==2.0\n", "", "requirements.in:1: acme-tools==2.0: "),
    ],
)
def test_a_version_that_only_the_upstream_has_is_none(
    checkout: Checkout, capfd: pytest.CaptureFixture[str], requirements: str, yaml: str, expected: str
) -> None:
    in_house(checkout, requirements, yaml)
    said = failure(checkout, capfd)
    assert said == f"{expected}first_party has no such version; name one of 1.0"


def test_a_lock_made_before_the_name_existed_in_house_is_stale(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    checkout.upstream.add(EVIL)
    checkout.write("acme-tools\n", packages_yaml=f"{TARGET}resolve_deps: true\n")
    checkout.lock()
    in_house(checkout, "acme-tools\n")
    capsys.readouterr()
    assert lock_check.main([]) == 1
    assert capsys.readouterr().err == f"{PATH}: stale, acme-tools is built in-house now; run make lock\n"
    assert refusal(checkout) == f"{PATH}: stale, acme-tools is built in-house now; run make lock"
    assert checkout.lock() == 0
    assert hashes(checkout)[0] == OWN.sha256


def test_an_in_house_wheel_may_be_of_any_age(checkout: Checkout) -> None:
    in_house(checkout, yaml="resolve_deps: true\npolicy: {min_age_days: 14}\n")
    assert checkout.lock() == 0
    assert checkout.index() == 0


# Publishing


def test_an_in_house_file_is_marked_for_machines_and_people(checkout: Checkout) -> None:
    in_house(checkout)
    checkout.lock()
    checkout.index()
    simple, project = checkout.root / "web" / "simple", checkout.root / "web" / "project"
    files = {name: json.loads((simple / name / "index.json").read_text())["files"] for name in ("acme-tools", "beta")}
    assert files["acme-tools"][0]["_first-party"] is True
    assert "yanked" not in files["acme-tools"][0]
    assert "_first-party" not in files["beta"][0]
    assert "built in-house" in (project / "acme-tools" / "index.html").read_text()
    assert "built in-house" not in (project / "beta" / "index.html").read_text()


def test_an_in_house_file_that_was_published_may_leave_the_folder(checkout: Checkout) -> None:
    in_house(checkout)
    checkout.lock()
    checkout.index()
    (checkout.path / "wheels" / OWN.filename).unlink()
    assert checkout.index() == 0
    page = json.loads((checkout.root / "web" / "simple" / "acme-tools" / "index.json").read_text())
    assert page["files"][0]["_first-party"] is True


def test_an_in_house_wheel_that_is_gone_is_missing_and_the_upstream_is_not_asked(checkout: Checkout) -> None:
    in_house(checkout)
    checkout.lock()
    checkout.upstream.requests.clear()
    start = f"acme-tools 1.0 ({PATH}): first_party has no wheel with sha256 {OWN.sha256}; "
    (checkout.path / "wheels" / OWN.filename).unlink()
    assert refusal(checkout) == missing(f"{start}it has none of the project; put it back", of=2)
    build(checkout, wheel("acme-tools", "1.1"))
    assert refusal(checkout) == missing(f"{start}it has acme_tools-1.1-py3-none-any.whl; run make lock", of=2)
    assert checkout.upstream.requests == []


def test_an_in_house_wheel_that_was_built_anew_makes_the_lock_stale(checkout: Checkout) -> None:
    in_house(checkout)
    checkout.lock()
    other = wheel("acme-tools", "1.0", requires=["beta"], files={"new.py": b""})
    build(checkout, other)
    assert refusal(checkout) == f"{PATH}: stale, acme-tools 1.0 is not the wheel that first_party has; run make lock"
    assert checkout.lock() == 0
    assert hashes(checkout)[0] == other.sha256


@pytest.mark.parametrize("options", [("--upgrade",), ("--upgrade", "--package=acme-tools"), ()])
def test_a_name_that_a_lock_knows_as_in_house_is_never_asked_for_at_the_upstream(
    checkout: Checkout, options: tuple[str, ...]
) -> None:
    in_house(checkout)
    checkout.lock()
    (checkout.path / "wheels" / OWN.filename).unlink()
    checkout.write("acme-tools\nbeta\n")
    assert checkout.lock(*options) == 1
    assert hashes(checkout)[0] == OWN.sha256
    assert "/simple/acme-tools/" not in checkout.upstream.page_requests()


def test_the_folder_s_wheels_stay_where_they_are(checkout: Checkout) -> None:
    in_house(checkout)
    checkout.lock()
    checkout.index()
    assert (checkout.path / "wheels" / OWN.filename).read_bytes() == OWN.data


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("README.txt", "is no wheel; move it out of the folder that first_party names"),
        ("acme-1.0.tar.gz", "is no wheel; move it out of the folder that first_party names"),
        (
            "acme.whl",
            "'acme.whl' is not the name of a wheel or sdist "
            "(Invalid wheel filename (wrong number of parts): 'acme'); rename it",
        ),
    ],
)
def test_what_is_no_wheel_in_the_folder_is_refused_by_name(checkout: Checkout, name: str, expected: str) -> None:
    in_house(checkout)
    (checkout.path / "wheels" / name).write_bytes(b"")
    (checkout.path / "wheels" / ".gitkeep").touch()
    with pytest.raises(SystemExit) as caught:
        checkout.lock()
    assert str(caught.value) == f"wheels/{name}: {expected}"


def test_an_unsound_in_house_wheel_is_refused_before_anything_is_locked(checkout: Checkout) -> None:
    liar = wheel("acme-tools", "1.0", metadata=b"Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    build(checkout, liar)
    checkout.write("acme-tools==1.0\n", packages_yaml=f"{TARGET}first_party: wheels\n")
    with pytest.raises(SystemExit) as caught:
        checkout.lock()
    assert str(caught.value) == (
        f"wheels/{liar.filename}: acme_tools-1.0.dist-info/METADATA says 'other' '1.0', "
        "the file name says acme-tools 1.0; build it anew"
    )


# Names that only in-house projects may have


def test_a_private_name_is_not_asked_for_at_the_upstream(checkout: Checkout, capfd: pytest.CaptureFixture[str]) -> None:
    checkout.upstream.add(wheel("acme-secret", "9.0"))
    checkout.write("acme-secret\n", packages_yaml=f"{TARGET}resolve_deps: true\npolicy: {{pinned_names: [acme-*]}}\n")
    assert failure(checkout, capfd) == (
        "requirements.in:1: acme-secret: "
        "it is kept from the upstream as a name of your own; put a wheel of it into first_party"
    )
    assert checkout.upstream.requests == []


def test_a_private_name_that_is_in_house_is_fine(checkout: Checkout, upstream: Upstream) -> None:
    in_house(checkout, yaml="resolve_deps: true\npolicy: {pinned_names: [acme-*]}\n")
    assert checkout.lock() == 0
    assert checkout.index() == 0
    assert upstream.file_requests() == [BETA.filename]


def test_a_waiver_lets_the_upstream_be_asked_for_a_private_name(checkout: Checkout) -> None:
    checkout.upstream.add(wheel("acme-public", "9.0"))
    checkout.write(
        "acme-public\n",
        packages_yaml=f"{TARGET}resolve_deps: true\npolicy: {{pinned_names: [acme-*]}}\n",
        waivers_yaml="- {rule: pinned_names, project: acme-public, versions: '>=9', reason: not ours, "
        "approved_by: y, expires: 2999-01-01}\n",
    )
    assert checkout.lock() == 0
    assert checkout.index() == 0


def test_a_waiver_for_one_version_of_a_private_name_lets_no_other_in(checkout: Checkout) -> None:
    for version in ("1.0", "99.0", "1.0+evil"):
        checkout.upstream.add(wheel("acme-public", version))
    checkout.write(
        "acme-public\n",
        packages_yaml=f"{TARGET}resolve_deps: true\npolicy: {{pinned_names: [acme-*]}}\n",
        waivers_yaml="- {rule: pinned_names, project: acme-public, versions: '==1.0', reason: not ours, "
        "approved_by: y, expires: 2999-01-01}\n",
    )
    assert checkout.lock() == 0
    assert pins(checkout) == ["acme-public==1.0"]


@pytest.mark.parametrize("yaml", ["first_party: wheels\n", "policy: {pinned_names: [acme-*]}\n"])
def test_the_build_of_an_sdist_does_not_fetch_a_name_of_our_own(
    checkout: Checkout, capfd: pytest.CaptureFixture[str], tmp_path: Path, yaml: str
) -> None:
    build(checkout, OWN)
    trace = tmp_path / "trace"
    app = sdist("app", "1.0", trace=trace, build_backend_in_tree=True, build_requires=["Acme_Tools>=1"])
    for one in (app, EVIL):
        checkout.upstream.add(one)
    checkout.write("app\n", packages_yaml=f"{TARGET}resolve_deps: true\nallow_sdists: [app]\n{yaml}")
    assert checkout.lock() == 1
    fact = "a name of your own, which is kept from the upstream"
    assert f"to build an sdist needs acme-tools, {fact}; build a wheel of it in-house" in capfd.readouterr().err
    assert "/simple/acme-tools/" not in checkout.upstream.page_requests()
    assert not trace.exists()


def test_make_closure_does_not_ask_for_a_private_name_either(checkout: Checkout) -> None:
    checkout.upstream.add(wheel("acme-x", "1.0"))
    checkout.write("acme-x==1.0\n", packages_yaml=f"{TARGET}policy: {{pinned_names: [acme-*]}}\n")
    approve(wheel("acme-x", "1.0"))
    with pytest.raises(SystemExit) as caught:
        closure_matrix.main([f"--root={checkout.root}", f"--upstream={checkout.upstream.url}"])
    assert str(caught.value).startswith('pinned_names: acme-x 1.0: its name is private by "acme-*"')
    assert checkout.upstream.requests == []


# Age


def days_ago(days: float) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")


def aged(checkout: Checkout, level: str = "error") -> None:
    for version, days in (("1.0", 100), ("1.1", 20), ("1.2", 3)):
        checkout.upstream.add(wheel("alpha", version), upload_time=days_ago(days))
    yaml = f"{TARGET}resolve_deps: true\npolicy: {{min_age_days: {{days: 14, level: {level}}}}}\n"
    checkout.write("alpha\n", packages_yaml=yaml)


def test_a_version_that_is_too_young_is_not_taken_and_the_lock_says_the_date(checkout: Checkout) -> None:
    aged(checkout)
    before = datetime.now(UTC) - timedelta(days=14, seconds=1)
    assert checkout.lock() == 0
    assert pins(checkout) == ["alpha==1.1"]
    cutoff = locks.read_cutoff(Path(PATH))
    assert cutoff is not None
    assert before <= cutoff <= datetime.now(UTC) - timedelta(days=14)
    assert f"\n# uploaded-prior-to: {cutoff.isoformat()}\n\n" in Path(PATH).read_text()
    assert lock_check.main([]) == 0
    assert checkout.index() == 0


def test_a_pin_that_is_too_young_is_refused_with_its_date(
    checkout: Checkout, capfd: pytest.CaptureFixture[str]
) -> None:
    aged(checkout)
    checkout.write("alpha==1.2\n")
    day = days_ago(3)[:10]
    assert failure(checkout, capfd) == (
        "requirements.in:1: alpha==1.2: min_age_days lets in no file that fits: "
        f"alpha-1.2-py3-none-any.whl (uploaded {day}, too young); name an older version, or waive the rule for it"
    )


def test_a_file_whose_age_nobody_tells_is_not_taken(checkout: Checkout, capfd: pytest.CaptureFixture[str]) -> None:
    aged(checkout)
    checkout.upstream.add(wheel("alpha", "1.1"), upload_time=None)
    assert checkout.lock() == 0
    assert pins(checkout) == ["alpha==1.0"]
    checkout.write("alpha==1.1\n")
    assert "(uploaded at a time that nobody tells)" in failure(checkout, capfd)


def test_a_level_of_warn_takes_the_young_one_and_says_so(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    aged(checkout, "warn")
    checkout.lock()
    assert pins(checkout) == ["alpha==1.2"]
    capsys.readouterr()
    assert checkout.index() == 0
    fact = f"uploaded {days_ago(3)[:10]}, less than 14 days before its lock was made"
    assert capsys.readouterr().err.startswith(f"warning: min_age_days: alpha 1.2: {fact}; ")


def test_a_waiver_lets_a_version_be_of_any_age(checkout: Checkout) -> None:
    aged(checkout)
    checkout.upstream.add(wheel("alpha", "1.3"), upload_time=days_ago(1))
    (checkout.path / "waivers.yaml").write_text(
        "- {rule: min_age_days, project: alpha, versions: '<1.3', reason: mends a hole, approved_by: y, "
        "expires: 2999-01-01}\n"
    )
    assert checkout.lock() == 0
    assert pins(checkout) == ["alpha==1.2"]
    assert checkout.index() == 0


def test_a_waiver_for_a_version_means_no_local_one(checkout: Checkout) -> None:
    aged(checkout)
    checkout.upstream.add(wheel("alpha", "1.1+evil"), upload_time=days_ago(1))
    (checkout.path / "waivers.yaml").write_text(
        "- {rule: min_age_days, project: alpha, versions: '==1.1', reason: r, approved_by: y, expires: 2999-01-01}\n"
    )
    assert checkout.lock() == 0
    assert pins(checkout) == ["alpha==1.1"]


def test_a_date_alone_does_not_change_a_lock(checkout: Checkout) -> None:
    aged(checkout)
    checkout.lock()
    path = Path(PATH)
    fields, body = locks.split(path.read_text())
    (key,) = locks.existing()
    older = locks.compose(key, fields["inputs"], fields["tools"], body, "2026-10-01T00:00:00+00:00")
    path.write_text(older)
    assert checkout.lock("--upgrade") == 0
    assert path.read_text() == older
    checkout.upstream.add(wheel("alpha", "1.1.1"), upload_time=days_ago(15))
    assert checkout.lock("--upgrade") == 0
    assert locks.read_cutoff(path) != locks.split(older)[0]["uploaded-prior-to"]
    assert pins(checkout) == ["alpha==1.1.1"]


def test_a_date_that_was_edited_by_hand_is_noticed(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    aged(checkout)
    checkout.lock()
    text = Path(PATH).read_text()
    year = str(datetime.now(UTC).year)
    Path(PATH).write_text(text.replace(f"uploaded-prior-to: {year}", "uploaded-prior-to: 2999"))
    capsys.readouterr()
    assert lock_check.main([]) == 1
    assert capsys.readouterr().err == f"{PATH}: edited by hand, its digest does not match; run make lock\n"


@pytest.mark.parametrize("change", ["days: 30", "level: warn"])
def test_another_age_makes_a_lock_stale(checkout: Checkout, change: str) -> None:
    aged(checkout)
    checkout.lock()
    text = Path("packages.yaml").read_text()
    old = "days: 14" if "days" in change else "level: error"
    Path("packages.yaml").write_text(text.replace(old, change))
    assert lock_check.main([]) == 1


def test_a_policy_that_does_not_bear_on_locks_leaves_them(checkout: Checkout) -> None:
    checkout.upstream.add(BETA)
    checkout.write("beta==1.0\n", packages_yaml=TARGET)
    approve(BETA)
    checkout.write("beta==1.0\n", packages_yaml=f"{TARGET}policy: {{yanked: error, max_file_mb: 3}}\nclosure: warn\n")
    assert lock_check.main([]) == 0
