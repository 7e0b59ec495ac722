"""scripts/forge.py, comment.py, propose.py: what a job of CI writes to GitHub or GitLab, and what it never does."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from forge_api import Asked, ForgeApi

from scripts import comment, forge, propose
from scripts.forge import MARKER, MAX_BODY

LOCK = "locks/requirements/3.12-win_amd64.txt"
SHA = "a" * 40
BOT = {"login": "github-actions[bot]"}
PULLS, COMMENTS = "/repos/us/index/pulls", "/repos/us/index/issues/7/comments"
NOTES = "/projects/5/merge_requests/7/notes"


@pytest.fixture
def api() -> Iterator[ForgeApi]:
    with ForgeApi() as running:
        yield running


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("GITHUB_", "CI_", "GITLAB_", "GIT_"))]:
        monkeypatch.delenv(name)
    Path("review.md").write_text(f"{MARKER}\n# Review\n")


@pytest.fixture
def github(api: ForgeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ForgeApi:
    """A job of the workflow `comment`, after the review of pull request 7, which a fork made."""
    head = {"head_branch": "theirs", "head_sha": SHA, "head_repository": {"owner": {"login": "them"}}}
    (tmp_path / "event.json").write_text(json.dumps({"workflow_run": head}))
    told = {"TOKEN": "secret", "REPOSITORY": "us/index", "REPOSITORY_OWNER": "us", "API_URL": api.url}
    told |= {"EVENT_PATH": str(tmp_path / "event.json"), "REF_NAME": "main", "SERVER_URL": f"file://{tmp_path}"}
    for name, value in told.items():
        monkeypatch.setenv(f"GITHUB_{name}", value)
    api.answers[PULLS] = [{"number": 7, "head": {"sha": SHA}}]
    api.answers[f"{PULLS}/7/files"] = [{"filename": LOCK}]
    api.answers[COMMENTS] = []
    return api


@pytest.fixture
def gitlab(api: ForgeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ForgeApi:
    """A job of a merge request's pipeline."""
    told = {"CI_PROJECT_ID": "5", "CI_MERGE_REQUEST_IID": "7", "CI_API_V4_URL": api.url, "CI_COMMIT_BRANCH": "main"}
    told |= {"CI_SERVER_URL": f"file://{tmp_path}", "CI_PROJECT_URL": f"file://{tmp_path}/us/index"}
    for name, value in {**told, "GITLAB_CI": "true", "REVIEW_TOKEN": "secret"}.items():
        monkeypatch.setenv(name, value)
    api.answers |= {"/user": {"id": 3}, NOTES: [], "/projects/5/merge_requests/7/diffs": []}
    api.answers["/projects/5/merge_requests"] = []
    return api


def run_comment() -> int:
    return comment.main(["--review=review.md"])


def refusal(command: object = run_comment) -> str:
    assert callable(command)
    with pytest.raises(SystemExit) as caught:
        command()
    return str(caught.value)


def said(api: ForgeApi) -> str:
    """Return the text of the one thing that was written."""
    [one] = api.written
    text: str = one.told["body"]
    return text


# Comments


def test_a_first_comment_is_added(github: ForgeApi) -> None:
    assert run_comment() == 0
    assert github.written == [Asked("POST", COMMENTS, {"body": f"{MARKER}\n# Review\n"})]


def test_a_second_one_takes_the_place_of_the_first(github: ForgeApi) -> None:
    others = [{"id": n, "user": BOT, "body": "Thank you."} for n in range(100)]
    github.answers[COMMENTS] = [*others, {"id": 123, "user": BOT, "body": f"{MARKER}\nold"}]
    assert run_comment() == 0
    path = "/repos/us/index/issues/comments/123"
    assert github.written == [Asked("PATCH", path, {"body": f"{MARKER}\n# Review\n"})]


def test_the_marker_in_somebody_elses_comment_does_not_make_it_ours(github: ForgeApi) -> None:
    github.answers[COMMENTS] = [{"id": 123, "user": {"login": "them"}, "body": f"{MARKER}\nold"}]
    assert run_comment() == 0
    assert [one.method for one in github.written] == ["POST"]


@pytest.mark.parametrize(
    "found",
    [
        [],
        [{"number": 7, "head": {"sha": "b" * 40}}],
        [{"number": 7, "head": {"sha": SHA}}, {"number": 8, "head": {"sha": SHA}}],
    ],
)
def test_without_one_open_pull_request_at_the_events_commit_nothing_is_written(
    github: ForgeApi, capsys: pytest.CaptureFixture[str], found: list[object]
) -> None:
    github.answers[PULLS] = found
    assert run_comment() == 0
    assert github.asked[0].told == {"state": "open", "head": "them:theirs", "per_page": "100", "page": "1"}
    assert github.written == []
    count = len([one for one in found if SHA in str(one)])
    assert capsys.readouterr().err == f"review.md: {count} open pull requests have that commit; not commented\n"


@pytest.mark.parametrize(
    ("files", "named"),
    [
        ([{"filename": LOCK}, {"filename": "requirements.in"}, {"filename": "waivers.yaml"}], None),
        ([{"filename": "sets/dev.in"}, {"filename": "README.md"}], None),
        ([{"filename": f"locks/{n}.txt"} for n in range(2999)], None),
        ([{"filename": f"locks/{n}.txt"} for n in range(3000)], "`3000 files or more`"),
        ([{"filename": "scripts/review.py"}], "`scripts/review.py`"),
        ([{"filename": "scripts/x.txt"}, {"filename": "Makefile"}], "`Makefile`, `scripts/x.txt`"),
        ([{"filename": ".github/x.md"}, {"filename": "requests.py"}], "`.github/x.md`, `requests.py`"),
        ([{"filename": "locks/a.txt", "previous_filename": "scripts/a.txt"}], "`scripts/a.txt`"),
        ([{"filename": f"{n}`\n.py"} for n in range(7)],
         "`0?\ufffd.py`, `1?\ufffd.py`, `2?\ufffd.py`, `3?\ufffd.py`, `4?\ufffd.py` and 2 more"),
    ],
)  # fmt: skip
def test_a_review_that_changed_code_may_have_made_is_marked(
    github: ForgeApi, files: list[dict[str, str]], named: str | None
) -> None:
    github.answers[f"{PULLS}/7/files"] = files
    assert run_comment() == 0
    warning = f"> **Do not rely on this review:** the pull request changes {named}, which may have made it.\n\n"
    assert said(github) == f"{MARKER}\n{warning if named else ''}# Review\n"


def test_a_text_is_cut_to_what_a_comment_may_be(github: ForgeApi) -> None:
    Path("review.md").write_text("é" * (10 * MAX_BODY))
    assert run_comment() == 0
    assert len(said(github)) == MAX_BODY
    assert said(github).endswith("éé\n\n*The rest is too long for a comment; run `make review` to see it.*\n")


def test_whatever_bytes_are_in_the_file_the_comment_is_text(github: ForgeApi) -> None:
    Path("review.md").write_bytes(b"\xff\x00" + MARKER.encode() + b"x")
    assert run_comment() == 0
    assert said(github) == f"{MARKER}\n\ufffdx\n"


def test_a_link_is_not_followed(github: ForgeApi) -> None:
    Path("review.md").rename("secret")
    Path("review.md").symlink_to("secret")
    assert refusal() == "review.md: is no file; write it with make review"
    assert github.asked == []


def test_gitlabs_note_is_added_and_changed(gitlab: ForgeApi) -> None:
    theirs = {"id": 1, "author": {"id": 4}, "body": f"{MARKER}\ntheirs"}
    gitlab.answers[NOTES] = [theirs]
    assert run_comment() == 0
    gitlab.answers[NOTES] = [theirs, {"id": 2, "author": {"id": 3}, "body": f"{MARKER}\nold"}]
    assert run_comment() == 0
    told = {"body": f"{MARKER}\n# Review\n"}
    assert gitlab.written == [Asked("POST", NOTES, told), Asked("PUT", f"{NOTES}/2", told)]


def test_on_gitlab_a_review_that_changed_code_may_have_made_is_marked_too(gitlab: ForgeApi) -> None:
    diffs = [{"old_path": "scripts/a.py", "new_path": "locks/a.txt"}, {"old_path": "a.in", "new_path": "Makefile"}]
    gitlab.answers["/projects/5/merge_requests/7/diffs"] = diffs
    assert run_comment() == 0
    assert "the pull request changes `Makefile`, `scripts/a.py`, which" in said(gitlab)


def test_a_token_that_may_not_is_told_without_the_token(github: ForgeApi) -> None:
    github.token = "another"  # noqa: S105 (of a test)
    assert refusal() == f"GET {github.url}{PULLS}: HTTP 401; may the token do that?"


def test_outside_of_ci_it_says_what_is_missing() -> None:
    assert refusal() == "GITHUB_TOKEN: is not set; run this in a job of GitHub Actions or GitLab CI that sets it"


# Proposals


def git(*arguments: str, cwd: str | Path = ".") -> str:
    command = ("git", "-c", "user.name=T", "-c", "user.email=t@t", *arguments)
    return subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone with one lock, the current folder, and next to it a proposal with a newer one."""
    git("init", "--quiet", "--bare", "--initial-branch=main", "us/index.git")
    git("clone", "--quiet", f"file://{tmp_path}/us/index.git", "checkout")
    for path, text in ((f"checkout/{LOCK}", "old\n"), (f"proposal/{LOCK}", "new\n"), ("proposal/review.md", "Good.")):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(text)
    monkeypatch.chdir("checkout")
    git("add", ".")
    git("commit", "--quiet", "--message=one")
    git("push", "--quiet", "origin", "HEAD:main")
    return tmp_path / "checkout"


def run_propose() -> int:
    return propose.main(["--folder=../proposal"])


def proposed(tmp_path: Path) -> str:
    return git("show", "--format=%an: %s", "pypi-index/upgrade", cwd=tmp_path / "us/index.git")


def test_a_pull_request_is_opened_with_its_review(github: ForgeApi, checkout: Path, tmp_path: Path) -> None:
    github.answers[PULLS] = []
    assert run_propose() == 0
    title = "Newest versions that the requirements allow"
    told = {"title": title, "body": f"{MARKER}\nGood.\n", "head": "pypi-index/upgrade", "base": "main"}
    assert github.written == [Asked("POST", PULLS, told)]
    assert proposed(tmp_path).startswith(f"make upgrade: {title}\n")
    assert "\n-old\n+new\n" in proposed(tmp_path)
    assert git("rev-parse", "main^{tree}", cwd=tmp_path / "us/index.git") == git("rev-parse", "HEAD^^{tree}")
    assert "secret" not in (checkout / ".git/config").read_text()


@pytest.mark.usefixtures("checkout")
def test_the_one_that_is_open_is_renewed(github: ForgeApi, tmp_path: Path) -> None:
    github.answers[PULLS] = []
    assert run_propose() == 0
    github.answers[PULLS] = [{"number": 9}]
    git("reset", "--quiet", "--hard", "HEAD^")
    (tmp_path / "proposal" / LOCK).write_text("newer\n")
    assert run_propose() == 0
    title = "Newest versions that the requirements allow"
    assert github.written[1:] == [Asked("PATCH", f"{PULLS}/9", {"title": title, "body": f"{MARKER}\nGood.\n"})]
    assert "\n-old\n+newer\n" in proposed(tmp_path)


def test_where_no_lock_changed_nothing_is_proposed(
    github: ForgeApi, checkout: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "proposal" / LOCK).write_text("old\n")
    (checkout / "stray").write_text("")
    assert run_propose() == 0
    assert github.asked == []
    assert capsys.readouterr().err == "no lock changed; nothing is proposed\n"


@pytest.mark.usefixtures("checkout")
def test_a_lock_that_is_not_proposed_any_more_is_removed(github: ForgeApi, tmp_path: Path) -> None:
    github.answers[PULLS] = []
    (tmp_path / "proposal" / LOCK).rename(tmp_path / "proposal/locks/requirements/3.13-win_amd64.txt")
    assert run_propose() == 0
    assert git("ls-files") == "locks/requirements/3.13-win_amd64.txt\n"


@pytest.mark.parametrize("name", ["locks/Makefile", "locks/requirements/x.py", "locks/a/b/3.12-win_amd64.txt"])
def test_of_a_proposal_only_locks_are_taken(github: ForgeApi, checkout: Path, tmp_path: Path, name: str) -> None:
    path = tmp_path / "proposal" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("all: evil\n")
    assert refusal(run_propose) == f"../proposal/{name}: is no lock; nothing is proposed"
    assert (checkout / LOCK).read_text() == "old\n"
    assert github.asked == []


def test_a_link_in_a_proposal_is_no_lock(github: ForgeApi, checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "proposal" / LOCK).unlink()
    (tmp_path / "proposal" / LOCK).symlink_to("/etc/passwd")
    assert refusal(run_propose) == f"../proposal/{LOCK}: is no lock; nothing is proposed"
    assert (checkout / LOCK).read_text() == "old\n"
    assert github.asked == []


def test_a_proposal_without_locks_is_an_error(github: ForgeApi, checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "proposal" / LOCK).unlink()
    assert refusal(run_propose) == "../proposal/locks: holds no lock; copy locks/ there after make upgrade"
    assert (checkout / LOCK).exists()
    assert github.asked == []


@pytest.mark.usefixtures("checkout")
def test_gitlabs_merge_request_is_opened_and_renewed(gitlab: ForgeApi, tmp_path: Path) -> None:
    assert run_propose() == 0
    gitlab.answers["/projects/5/merge_requests"] = [{"iid": 9}]
    git("reset", "--quiet", "--hard", "HEAD^")
    (tmp_path / "proposal" / LOCK).write_text("newer\n")
    assert run_propose() == 0
    told = {"title": "Newest versions that the requirements allow", "description": f"{MARKER}\nGood.\n"}
    way = {"source_branch": "pypi-index/upgrade", "target_branch": "main", "remove_source_branch": True}
    assert gitlab.written == [
        Asked("POST", "/projects/5/merge_requests", told | way),
        Asked("PUT", "/projects/5/merge_requests/9", told),
    ]


def test_a_push_that_fails_is_told(github: ForgeApi, checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "us").rename(tmp_path / "gone")
    text = refusal(run_propose)
    assert text.startswith("git push: ")
    assert text.endswith("; mend that, then run make propose again")
    assert (checkout / LOCK).read_text() == "new\n"
    assert github.written == []


def test_the_token_reaches_git_by_its_environment_alone(github: ForgeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://forge.example")
    url, environment = forge.here().remote()
    assert url == "https://forge.example/us/index.git"
    assert github.asked == []
    told = subprocess.run(
        ("git", "config", "--get-urlmatch", "http.extraheader", url),
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout == "Authorization: Basic eC1hY2Nlc3MtdG9rZW46c2VjcmV0\n"
