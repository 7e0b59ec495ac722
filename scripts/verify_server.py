"""A server's answers -> problems: what it must add to the files that it sends, as caddy/Caddyfile does.

Content types, Vary, cache rules and validators are looked at in every answer; negotiation, other spellings and what is
not here by a few questions more.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from scripts import sbom
from scripts.build import validator
from scripts.problem import Problem, Rule
from scripts.upstream import MAX_PAGE_BYTES, Upstream, UpstreamError, reason_of

JSON = "application/vnd.pypi.simple.v1+json"
HTML = "application/vnd.pypi.simple.v1+html"
TEXT = "text/html; charset=utf-8"
PLAIN = "text/plain; charset=utf-8"
_SBOM = "application/vnd.cyclonedx+json"
NO_CACHE, NO_STORE = "no-cache", "no-store"
A_YEAR = "public, max-age=31536000, immutable"
# For a few endings, machines differ in their types, and clients do not mind.
_TYPES = {
    **{".html": (TEXT,), ".jsonl": ("application/jsonl",), ".json": ("application/json",), ".svg": ("image/svg+xml",)},
    **{".css": ("text/css; charset=utf-8", "text/css"), ".txt": (PLAIN,), ".metadata": (PLAIN,)},
    ".js": ("text/javascript; charset=utf-8", "text/javascript", "application/javascript"),
    **{".whl": ("application/octet-stream",), ".gz": ("application/gzip",), ".zip": ("application/zip",)},
}
_PIP = f"{JSON}, {HTML}; q=0.1, text/html; q=0.01"
# What is asked for -> what is sent; None is no Accept at all, or the answer that nothing fits.
_NEGOTIATION: tuple[tuple[str | None, str | None], ...] = (
    *((None, TEXT), ("*/*", TEXT), ("text/html", TEXT), (JSON, JSON), (HTML, HTML), (_PIP, JSON)),
    *(("application/vnd.pypi.simple.latest+json", JSON), ("application/vnd.pypi.simple.latest+html", HTML)),
    *((f"{JSON};q=0.1, text/html", TEXT), (f"{JSON};q=0, {HTML}", HTML), ("image/png", None)),
)
_DOTFILES = (".pypi-index", ".git/config", "simple/.hidden/", "simple/index.json.etag", "packages/.hidden.whl")


class Answer(NamedTuple):
    """What a server sent: the URL that it came from in the end, status, header fields and body."""

    url: str
    status: int
    fields: Mapping[str, str]
    body: bytes = b""


class Server:
    """Asks a server of ours for what is below its top, a URL that ends in a slash."""

    def __init__(self, top: str, http: Upstream) -> None:
        self.top = top
        self.http = http

    def ask(self, path: str, accept: str | None = "*/*", *, etag: str = "", redirects: bool = False) -> Answer:
        """Return the answer, whatever its status; raises UpstreamError where there is none."""
        headers = {"Accept": accept} | ({"If-None-Match": etag} if etag else {})
        try:
            with self.http.get(f"{self.top}{path}", headers, redirects=redirects) as response:
                body = b"".join(self.http.chunks(response, MAX_PAGE_BYTES, "the answer"))
                return Answer(response.url, response.status_code, response.headers, body)
        except OSError as error:
            raise UpstreamError(reason_of(error)) from None


def types_of(path: str) -> tuple[str, ...]:
    """Return the content types that a file may have, by its name."""
    return (_SBOM,) if path == sbom.FILE else _TYPES.get(path[path.rindex(".") :], ())


def _tokens(field: str) -> set[str]:
    return {token.strip().lower() for token in field.split(",")}


def answer_problems(
    path: str, answer: Answer, status: int, types: Collection[str], cache: str, asked: str = ""
) -> Iterator[Problem]:
    """Compare an answer with the one that it should be; asked says for what the question was."""
    facts = []
    if answer.status != status:
        facts = [f"answers {answer.status}, and not {status}"]
    else:
        found = answer.fields.get("Content-Type")
        if types and found not in types:
            facts.append(f"its Content-Type is {found}, and not {next(iter(types))}")
        if answer.fields.get("Cache-Control") != cache:
            facts.append(f"its Cache-Control is {answer.fields.get('Cache-Control')}, and not {cache}")
        if path.startswith("simple/") and "accept" not in _tokens(answer.fields.get("Vary", "")):
            facts.append(f"its Vary is {answer.fields.get('Vary')}, and not Accept")
    for fact in facts:
        yield Problem(Rule.SERVER, path, f"asked for {asked}: {fact}" if asked else fact)


def page_problems(
    path: str, answer: Answer, types: Collection[str], asked: str = "", *, has_etag_file: bool = True
) -> Iterator[Problem]:
    """Compare the answer with a page; its ETag is made of its content."""
    yield from answer_problems(path, answer, 200, types, NO_CACHE, asked)
    etag = answer.fields.get("ETag")
    if answer.status == 200 and has_etag_file and etag != validator(answer.body):
        fact = f"its ETag is {etag}, and that of its content {validator(answer.body)}"
        yield Problem(Rule.SERVER, path, f"asked for {asked}: {fact}" if asked else fact)


def file_problems(path: str, answer: Answer) -> Iterator[Problem]:
    """Compare the answer with a file of the pool or its sidecar."""
    yield from answer_problems(path, answer, 200, types_of(path), A_YEAR)
    if answer.status == 200 and not answer.fields.get("ETag"):
        yield Problem(Rule.SERVER, path, "has no ETag")
    if answer.status == 200 and (encoding := answer.fields.get("Content-Encoding")):
        yield Problem(Rule.SERVER, path, f"is sent with the Content-Encoding {encoding}, which a client would undo")


def _negotiation(server: Server, path: str) -> Iterator[Problem]:
    for accept, sent in _NEGOTIATION:
        answer, asked = server.ask(path, accept), accept or "anything, without Accept"
        if sent is None:
            yield from answer_problems(path, answer, 406, (PLAIN,), NO_STORE, asked)
        else:
            yield from page_problems(path, answer, (sent,), asked)


def _revalidation(server: Server, path: str, accept: str, cache: str) -> Iterator[Problem]:
    etag = server.ask(path, accept).fields.get("ETag", "")
    if etag:
        again = server.ask(path, accept, etag=etag)
        yield from answer_problems(path, again, 304, (), cache, f"{accept} with its own ETag")


def _spellings(server: Server, project: str) -> Iterator[Problem]:
    other = project.upper().replace("-", "_")
    for path in (f"simple/{project}", f"simple/{other}/", f"simple/{other}"):
        yield from answer_problems(path, server.ask(path, JSON), 308, (), NO_CACHE)
        answer, page = server.ask(path, JSON, redirects=True), f"simple/{project}/"
        if answer.url != f"{server.top}{page}":
            yield Problem(Rule.SERVER, path, f"does not lead to {page}")


def _absent(server: Server, names: Collection[str]) -> Iterator[Problem]:
    name = "not-approved"
    while name in names:
        name += "-x"
    unknown = (f"simple/{name}/", f"simple/{name}", f"packages/{name}-1.0-py3-none-any.whl", f"project/{name}/")
    for path in (*unknown, *_DOTFILES):
        yield from answer_problems(path, server.ask(path), 404, (PLAIN,), NO_STORE)


def probe(server: Server, projects: Collection[str], files: Collection[str]) -> Iterator[Problem]:
    """Ask a few questions more: projects and files are names that are served."""
    pages = ["simple/", *(f"simple/{name}/" for name in sorted(projects)[:1])]
    for path in pages:
        yield from _negotiation(server, path)
        for accept in (JSON, HTML, "text/html"):
            yield from _revalidation(server, path, accept, NO_CACHE)
    yield from _revalidation(server, "", "*/*", NO_CACHE)
    for name in sorted(files)[:1]:
        yield from _revalidation(server, f"packages/{name}", "*/*", A_YEAR)
    for name in sorted(projects)[:1]:
        yield from _spellings(server, name)
    yield from _absent(server, projects)
