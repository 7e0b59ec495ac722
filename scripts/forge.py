"""CI's own environment -> GitHub or GitLab: what is written below a pull request, and the one that proposes an upgrade.

A merge request of GitLab's is a pull request here. The tokens are GITHUB_TOKEN and REVIEW_TOKEN.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import requests

MARKER = "<!-- pypi-index review -->"
MAX_BODY = 65_536  # characters, of GitHub's; GitLab takes more
_TIMEOUT = 30  # seconds
_A_PAGE = 100
_MOST_FILES = 3000  # of a pull request, that GitHub lists
_BOT = "github-actions[bot]"


class Proposal(NamedTuple):
    """A branch that is to be merged, and what to say of it."""

    branch: str
    title: str
    body: str


def _variable(name: str) -> str:
    if value := os.environ.get(name):
        return value
    raise SystemExit(f"{name}: is not set; run this in a job of GitHub Actions or GitLab CI that sets it")


class _Api:
    """A forge's REST API, as far as both are alike."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        self._url, self._headers = url.rstrip("/"), dict(headers)

    def ask(self, method: str, path: str, **told: Any) -> Any:
        """Return what a request is answered with; told are requests' own arguments. Raises SystemExit."""
        try:
            answer = requests.request(
                method, f"{self._url}{path}", headers=self._headers, timeout=_TIMEOUT, allow_redirects=False, **told
            )
            if not answer.ok or answer.is_redirect:
                raise SystemExit(f"{method} {self._url}{path}: HTTP {answer.status_code}; may the token do that?")
            return answer.json()
        except (requests.RequestException, ValueError) as error:
            kind = type(error).__name__
            raise SystemExit(f"{method} {self._url}{path}: no proper answer ({kind}); try again later") from None

    def every(self, path: str, **params: str) -> Iterator[Any]:
        """Yield the items of a list, page by page."""
        page = 1
        while found := self.ask("GET", path, params={**params, "per_page": _A_PAGE, "page": page}):
            yield from found
            page += 1


def _git_header(server: str, user: str, token: str) -> dict[str, str]:
    """Return git's configuration with a token that stands in no file and on no command line."""
    basic = base64.b64encode(f"{user}:{token}".encode()).decode()
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"http.{server.rstrip('/')}/.extraheader",
        "GIT_CONFIG_VALUE_0": f"Authorization: Basic {basic}",
    }


class GitHub:
    """GitHub, as a job of Actions sees it."""

    def __init__(self) -> None:
        self._token, self._repository = _variable("GITHUB_TOKEN"), f"/repos/{_variable('GITHUB_REPOSITORY')}"
        headers = {"Accept": "application/vnd.github+json", "Authorization": f"Bearer {self._token}"}
        self._api = _Api(_variable("GITHUB_API_URL"), headers)

    def pull_requests(self) -> list[int]:
        """Return the open ones that the review of this event was made for.

        The event of a run for a fork names none, so they are found by the branch and the commit that it names. What
        the run itself left behind is not asked: its author may have written anything there.
        """
        run = json.loads(Path(_variable("GITHUB_EVENT_PATH")).read_bytes())["workflow_run"]
        head = f"{run['head_repository']['owner']['login']}:{run['head_branch']}"
        found = self._api.every(f"{self._repository}/pulls", state="open", head=head)
        return [one["number"] for one in found if one["head"]["sha"] == run["head_sha"]]

    def changed(self, number: int) -> set[str]:
        """Ask for what the pull request is now; of very many files GitHub lists the first, and so says this."""
        found = list(self._api.every(f"{self._repository}/pulls/{number}/files"))
        more = {f"{len(found)} files or more"} if len(found) >= _MOST_FILES else set()
        return more | {path for one in found for key in ("filename", "previous_filename") if (path := one.get(key))}

    def comment(self, number: int, body: str) -> None:
        """Change our comment, or add one."""
        comments = self._api.every(f"{self._repository}/issues/{number}/comments")
        # Anybody may write the marker; only what we wrote is ours to change.
        ours = [one["id"] for one in comments if one["user"]["login"] == _BOT and one["body"].startswith(MARKER)]
        if ours:
            self._api.ask("PATCH", f"{self._repository}/issues/comments/{ours[0]}", json={"body": body})
        else:
            self._api.ask("POST", f"{self._repository}/issues/{number}/comments", json={"body": body})

    def propose(self, proposal: Proposal) -> None:
        """Open a pull request onto the branch of this run, or change the one that is open."""
        told, base = {"title": proposal.title, "body": proposal.body}, _variable("GITHUB_REF_NAME")
        head = f"{_variable('GITHUB_REPOSITORY_OWNER')}:{proposal.branch}"
        if there := list(self._api.every(f"{self._repository}/pulls", state="open", head=head, base=base)):
            self._api.ask("PATCH", f"{self._repository}/pulls/{there[0]['number']}", json=told)
        else:
            self._api.ask("POST", f"{self._repository}/pulls", json={**told, "head": proposal.branch, "base": base})

    def remote(self) -> tuple[str, dict[str, str]]:
        """Let git push with the job's token."""
        server = _variable("GITHUB_SERVER_URL")
        url = f"{server}/{_variable('GITHUB_REPOSITORY')}.git"
        return url, _git_header(server, "x-access-token", self._token)


class GitLab:
    """GitLab, as a CI job sees it; the job's own token may not comment, so that it takes another."""

    def __init__(self) -> None:
        self._token, self._project = _variable("REVIEW_TOKEN"), f"/projects/{_variable('CI_PROJECT_ID')}"
        self._api = _Api(_variable("CI_API_V4_URL"), {"PRIVATE-TOKEN": self._token})

    def pull_requests(self) -> list[int]:
        """Return the merge request that the pipeline is for."""
        return [int(_variable("CI_MERGE_REQUEST_IID"))]

    def changed(self, number: int) -> set[str]:
        """Ask for what the merge request is now."""
        found = self._api.every(f"{self._project}/merge_requests/{number}/diffs")
        return {one[key] for one in found for key in ("old_path", "new_path")}

    def comment(self, number: int, body: str) -> None:
        """Change our note, or add one."""
        path, own = f"{self._project}/merge_requests/{number}/notes", self._api.ask("GET", "/user")["id"]
        notes = self._api.every(path)
        ours = [one["id"] for one in notes if one["author"]["id"] == own and one["body"].startswith(MARKER)]
        if ours:
            self._api.ask("PUT", f"{path}/{ours[0]}", json={"body": body})
        else:
            self._api.ask("POST", path, json={"body": body})

    def propose(self, proposal: Proposal) -> None:
        """Open a merge request onto the branch of this pipeline, or change the one that is open."""
        path, target = f"{self._project}/merge_requests", _variable("CI_COMMIT_BRANCH")
        told = {"title": proposal.title, "description": proposal.body}
        way = {"source_branch": proposal.branch, "target_branch": target}
        if there := list(self._api.every(path, state="opened", **way)):
            self._api.ask("PUT", f"{path}/{there[0]['iid']}", json=told)
        else:
            self._api.ask("POST", path, json={**told, **way, "remove_source_branch": True})

    def remote(self) -> tuple[str, dict[str, str]]:
        """Let git push with the token that comments; the URL of origin holds the job's, which may not."""
        return f"{_variable('CI_PROJECT_URL')}.git", _git_header(_variable("CI_SERVER_URL"), "oauth2", self._token)


Forge = GitHub | GitLab


def here() -> Forge:
    """Return the forge whose CI runs this."""
    return GitLab() if os.environ.get("GITLAB_CI") else GitHub()
