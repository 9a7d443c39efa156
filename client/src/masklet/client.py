"""A Masklet server as a Python object: each method is one thing that a person could do on its pages."""

from __future__ import annotations

import os
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path
from typing import Any, BinaryIO, Self
from uuid import uuid4

import httpx

from masklet.records import PRIORITIES, Job, Member, Person, Project, Scene, Task

PIECE_BYTES = 4 * 2**20
_PAUSES_S = (1.0, 2.0, 4.0, 8.0)  # after a connection was lost
_POLL_S = 1.0
Told = Callable[[str, int, int], None]  # what is done, how much of it, of how much


class Refused(RuntimeError):
    """The server said no; the message is its own. status: of HTTP."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


class Unreachable(RuntimeError):
    """There is no Masklet at this address, or the way there is broken."""


class JobFailed(RuntimeError):
    """A job ended without having done its work."""

    def __init__(self, job: Job) -> None:
        super().__init__(
            f"the {job.kind} is {job.state}: {job.error or job.message or 'no reason given'}"
        )
        self.job = job


class Client:
    def __init__(
        self,
        url: str,
        token: str,
        *,
        timeout_s: float = 60.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """token: made on the server's page behind your name, or by `login`."""
        self.url = url.rstrip("/")
        self._http = httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {token}", "Accept": "application/json"},
            timeout=timeout_s,
            transport=transport,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    # --- people and projects ---------------------------------------------------------------------

    def me(self) -> Person:
        """Whose token this is. Raises Refused where it is not known."""
        user = self._get("/api/session")["user"]
        if user is None:
            raise Refused(401, "this token is unknown: it may have expired or been taken back")
        return Person.of(user)

    def projects(self) -> list[Project]:
        return [Project.of(each) for each in self._all("/api/projects")]

    def project(self, name: str | int) -> Project:
        """By name or number. Raises Refused where there is none that you may see."""
        known = self.projects()
        for project in known:
            if name in (project.name, project.id) or str(project.id) == name:
                return project
        names = ", ".join(repr(project.name) for project in known) or "none"
        raise Refused(404, f"you see no project {name!r}; there are: {names}")

    def create_project(self, name: str, *, attribution: str = "") -> Project:
        return Project.of(self._post("/api/projects", {"name": name, "attribution": attribution}))

    def members(self, project: Project) -> list[Member]:
        return [Member.of(each) for each in self._all(f"/api/projects/{project.id}/members")]

    def add_member(self, project: Project, username: str, role: str) -> Member:
        return Member.of(
            self._post(f"/api/projects/{project.id}/members", {"username": username, "role": role})
        )

    def scenes(self, project: Project) -> list[Scene]:
        return [Scene.of(each) for each in self._all(f"/api/projects/{project.id}/scenes")]

    # --- drives come in --------------------------------------------------------------------------

    def import_formats(self) -> list[str]:
        return [each["name"] for each in self._get("/api/import-formats")]

    def import_drive(
        self, project: Project, path: str | os.PathLike[str], *, format: str,
        on_server: bool = False, told: Told = lambda what, done, total: None,
    ) -> Job:  # fmt: skip
        """Begin to import a recording; wait for the job with `wait`.

        path: an archive here, which is sent, or a folder here, which is packed first; with on_server a path
        that the server sees (for admins).  An upload whose connection is lost goes on where it was.
        """
        address = f"/api/projects/{project.id}/imports"
        if on_server:
            return Job.of(self._post(address, {"format": format, "path": os.fspath(path)}))
        with _as_one_file(Path(path), told) as (name, file, size):
            upload = self._post(f"/api/projects/{project.id}/uploads", {"name": name, "size": size})
            self._send(upload["id"], file, size, told)
        return Job.of(self._post(address, {"format": format, "upload": upload["id"]}))

    def job(self, job_id: int) -> Job:
        return Job.of(self._get(f"/api/jobs/{job_id}"))

    def wait(
        self, job: Job, *, timeout_s: float | None = None,
        told: Told = lambda what, done, total: None,
    ) -> Job:  # fmt: skip
        """Until the job is over. Raises JobFailed, or TimeoutError."""
        end = None if timeout_s is None else time.monotonic() + timeout_s
        while not job.is_over:
            if end is not None and time.monotonic() > end:
                raise TimeoutError(f"the {job.kind} is not over after {timeout_s:g} s")
            time.sleep(_POLL_S)
            job = self.job(job.id)
            told(job.message or job.kind, job.done, job.total)
        if job.state != "done":
            raise JobFailed(job)
        return job

    # --- who does what ---------------------------------------------------------------------------

    def tasks(
        self, project: Project, *, state: Sequence[str] = (), assignee: str | int | None = None
    ) -> list[Task]:
        """state: any of these.  assignee: a person's id, "me" or "nobody"."""
        asked: dict[str, Any] = {"state": list(state)}
        if assignee is not None:
            asked["assignee"] = assignee
        return [Task.of(each) for each in self._all(f"/api/projects/{project.id}/tasks", asked)]

    def split(self, scene: Scene | int, *, frames: int, overlap: int = 0) -> list[Task]:
        """Several tasks of so many frames instead of the scene's one, which nobody may have begun."""
        number = scene if isinstance(scene, int) else scene.id
        answer = self._post(f"/api/scenes/{number}/split", {"frames": frames, "overlap": overlap})
        return [Task.of(each) for each in answer]

    def plan(
        self, project: Project, tasks: Iterable[Task], *, assignees: Sequence[str] | None = None,
        priority: str | None = None, due: date | str | None = None,
    ) -> list[Task]:  # fmt: skip
        """Change several tasks together, or none of them.

        assignees: usernames; several: shared out evenly by frames; an empty list: whoever comes first.
        priority: of PRIORITIES.  due: a day, as a date or YYYY-MM-DD; "" takes it away.
        """
        wish: dict[str, Any] = {"tasks": [task.id for task in tasks]}
        if assignees is not None:
            wish["assignees"] = self._numbers(project, assignees) or [None]
        if priority is not None:
            if priority not in PRIORITIES:
                raise ValueError(f"priority {priority!r}: choose {', '.join(PRIORITIES)}")
            wish["priority"] = PRIORITIES.index(priority)
        if due is not None:
            wish["due"] = str(due) or None
        answer = self._call("PATCH", f"/api/projects/{project.id}/tasks", json=wish).json()
        return [Task.of(each) for each in answer]

    def _numbers(self, project: Project, usernames: Sequence[str]) -> list[int]:
        team = {member.user.username: member.user.id for member in self.members(project)}
        for name in usernames:
            if name not in team:
                raise Refused(
                    404, f"{name!r} is not in {project.name}; its team: {', '.join(sorted(team))}"
                )
        return [team[name] for name in usernames]

    # --- labels go out ---------------------------------------------------------------------------

    def export(
        self, project: Project, *, out: str | os.PathLike[str], format: str = "native",
        scenes: Sequence[int] | None = None, include_unreviewed: bool = False,
        with_readings: bool = False, timeout_s: float | None = None,
        told: Told = lambda what, done, total: None,
    ) -> Path:  # fmt: skip
        """Export scenes, all of the project unless they are named, and fetch the archive.

        Raises Refused for scenes that are not accepted, unless include_unreviewed. `out` is whole or not there.
        """
        chosen = [scene.id for scene in self.scenes(project)] if scenes is None else list(scenes)
        if not chosen:
            raise Refused(400, f"{project.name} has no scenes to export")
        job = Job.of(self._post(f"/api/projects/{project.id}/exports", {
            "scenes": chosen, "format": format, "include_unreviewed": include_unreviewed,
            "with_readings": with_readings,
        }))  # fmt: skip
        job = self.wait(job, timeout_s=timeout_s, told=told)
        target = Path(out)
        aside = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            with (
                self._stream(f"/api/exports/{job.id}/download") as response,
                aside.open("wb") as file,
            ):
                total = int(response.headers.get("Content-Length", 0))
                for piece in response.iter_bytes():
                    file.write(piece)
                    told("fetching", file.tell(), total)
            aside.replace(target)
        finally:
            aside.unlink(missing_ok=True)
        return target

    # --- HTTP ------------------------------------------------------------------------------------

    def _get(self, path: str, asked: Mapping[str, Any] | None = None) -> Any:
        return self._call("GET", path, params=asked).json()

    def _all(self, path: str, asked: Mapping[str, Any] | None = None) -> list[Any]:
        """Every page of a list, by the links that the server gives."""
        response = self._call("GET", path, params=asked)
        found = list(response.json())
        while "next" in response.links:
            response = self._call("GET", response.links["next"]["url"])
            found += response.json()
        return found

    def _post(self, path: str, body: Mapping[str, Any]) -> Any:
        """An answer that is lost on the way is asked for again: with the same key nothing happens twice."""
        headers = {"Idempotency-Key": str(uuid4())}
        for pause_s in _PAUSES_S[:2]:
            try:
                return self._call("POST", path, json=body, headers=headers).json()
            except Unreachable:
                time.sleep(pause_s)
        return self._call("POST", path, json=body, headers=headers).json()

    def _call(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Raises Refused, with the server's words, or Unreachable."""
        try:
            response = self._http.request(method, path, **options)
        except httpx.HTTPError as error:
            raise Unreachable(f"{self.url} does not answer: {error}") from error
        _check(response)
        return response

    @contextmanager
    def _stream(self, path: str) -> Any:
        try:
            with self._http.stream("GET", path) as response:
                if response.is_error:
                    response.read()
                _check(response)
                yield response
        except httpx.HTTPError as error:
            raise Unreachable(f"{self.url} broke off: {error}") from error

    def _send(self, upload: int, file: BinaryIO, size: int, told: Told) -> None:
        """In pieces, from where the server has got to; lost connections are waited out."""
        path, failures = f"/api/uploads/{upload}", 0
        offset = self._get(path)["offset"]
        while offset < size:
            file.seek(offset)
            try:
                response = self._http.request(
                    "PATCH", path, content=file.read(PIECE_BYTES),
                    headers={"Upload-Offset": str(offset), "Content-Type": "application/octet-stream"},
                )  # fmt: skip
                if response.status_code != 409:  # it has more, or less, than we thought
                    _check(response)
                offset, failures = response.json()["offset"], 0
            except (httpx.HTTPError, Refused) as error:
                passes = isinstance(error, httpx.HTTPError) or error.status >= 502
                if not passes:
                    raise
                if failures == len(_PAUSES_S):
                    raise Unreachable(f"{self.url} stopped taking the upload: {error}") from error
                time.sleep(_PAUSES_S[failures])
                failures += 1
            told("sending", offset, size)


def login(
    url: str, username: str, password: str, *, name: str, days: int = 90, scope: str = "write",
    code: Callable[[], str] | None = None, transport: httpx.BaseTransport | None = None,
) -> str:  # fmt: skip
    """Sign in once and make a token, which is the answer; nothing of the password is kept.

    name: what the token is for, as the page will list it.  code: asks for the second factor's, where it is on.  Raises Refused, or Unreachable.
    """
    url = url.rstrip("/")
    try:
        with httpx.Client(base_url=url, timeout=30, transport=transport) as http:
            _check(http.get("/api/session"))  # sets the cookie that the header below repeats
            given = {"username": username, "password": password}
            signed = http.post("/api/session", json=given, headers=_proof(http, url))
            if code is not None and signed.status_code == 400 and _needs_code(signed):
                given["code"] = code()
                signed = http.post("/api/session", json=given, headers=_proof(http, url))
            _check(signed)
            made = http.post(
                "/api/tokens", json={"name": name, "scope": scope, "days": days},
                headers=_proof(http, url),
            )  # fmt: skip
            _check(made)
            http.request("DELETE", "/api/session", headers=_proof(http, url))
            return str(made.json()["token"])
    except httpx.HTTPError as error:
        raise Unreachable(f"{url} does not answer: {error}") from error


def _proof(http: httpx.Client, url: str) -> dict[str, str]:
    return {"X-CSRFToken": http.cookies.get("csrftoken") or "", "Referer": f"{url}/"}


def _needs_code(response: httpx.Response) -> bool:
    with suppress(ValueError):
        return bool(response.json().get("needs_code"))
    return False


def _check(response: httpx.Response) -> None:
    if response.is_success:
        return
    words = ""
    with suppress(ValueError):
        words = _words(response.json())
    where = f"{response.request.method} {response.request.url.path}"
    raise Refused(
        response.status_code, words or f"{where} was answered with {response.status_code}"
    )


def _words(body: Any) -> str:
    """What DRF says of a request, as one line."""
    if isinstance(body, Mapping):
        parts = [
            _words(value) if key in ("detail", "non_field_errors") else f"{key}: {_words(value)}"
            for key, value in body.items()
        ]
        return "; ".join(parts)
    if isinstance(body, list):
        return ", ".join(_words(each) for each in body)
    return str(body)


@contextmanager
def _as_one_file(path: Path, told: Told) -> Any:
    """Name, open file and size of what is sent; a folder is packed, without compression, for the while."""
    if path.is_file():
        with path.open("rb") as file:
            yield path.name, file, path.stat().st_size
        return
    if not path.is_dir():
        raise FileNotFoundError(f"{path} is neither a file nor a folder")
    files = sorted(each for each in path.rglob("*") if each.is_file())
    if not files:
        raise FileNotFoundError(f"{path} is empty")
    with tempfile.TemporaryFile() as packed:
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
            for count, each in enumerate(files, 1):
                archive.write(each, each.relative_to(path))
                told("packing", count, len(files))
        yield f"{path.resolve().name}.zip", packed, packed.tell()
