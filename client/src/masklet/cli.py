"""masklet: a Masklet server from a shell.

masklet login URL [--name NAME] [--token]
masklet projects [--new NAME]
masklet import PROJECT PATH [--format F] [--on-server] [--wait]
masklet status PROJECT
masklet assign PROJECT [--to NAME ...] [--split N] [--priority P] [--due DAY] [--scene NAME]
masklet export PROJECT --out FILE [--format F] [--scene NAME ...] [--unreviewed] [--with-readings]
"""

from __future__ import annotations

import argparse
import getpass
import json
import socket
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

from masklet import config
from masklet.client import Client, JobFailed, Refused, Unreachable, login
from masklet.records import PRIORITIES, Project, Scene, Task


def main(arguments: Sequence[str] | None = None) -> int:
    asked = _parser().parse_args(arguments)
    try:
        if asked.command == "login":
            return _login(asked)
        held = config.read()
        with Client(held.url, held.token) as client:
            return int(asked.do(client, asked))
    except (
        Refused,
        Unreachable,
        JobFailed,
        TimeoutError,
        config.NotSignedIn,
        OSError,
        ValueError,
    ) as error:
        print(f"masklet: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="masklet", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    sign_in = commands.add_parser("login", help="say who you are, once")
    sign_in.add_argument("url")
    sign_in.add_argument("--name", help="of your account; asked for otherwise")
    sign_in.add_argument(
        "--token", action="store_true", help="type a token from the page instead of a password"
    )

    projects = commands.add_parser("projects", help="list them, or make one")
    projects.add_argument("--new", metavar="NAME")
    projects.add_argument("--json", action="store_true")
    projects.set_defaults(do=_projects)

    take_in = commands.add_parser("import", help="a recording becomes a scene")
    take_in.add_argument("project")
    take_in.add_argument("path", help="an archive or a folder here; with --on-server there")
    take_in.add_argument(
        "--format", default="native", help="as the page Imports lists them; native"
    )
    take_in.add_argument("--on-server", action="store_true")
    take_in.add_argument("--wait", action="store_true", help="until it is there")
    take_in.set_defaults(do=_import)

    status = commands.add_parser("status", help="how far a project is")
    status.add_argument("project")
    status.add_argument("--json", action="store_true")
    status.set_defaults(do=_status)

    assign = commands.add_parser("assign", help="who does what, how urgently, until when")
    assign.add_argument("project")
    assign.add_argument("--scene", action="append", help="these alone, by name or number")
    assign.add_argument(
        "--to", action="append", metavar="NAME", help="several: shared out evenly by frames"
    )
    assign.add_argument("--nobody", action="store_true", help="to whoever comes first")
    assign.add_argument(
        "--split", type=int, metavar="FRAMES", help="drives that nobody has begun, first"
    )
    assign.add_argument(
        "--overlap", type=int, default=0, help="frames that two parts have in common"
    )
    assign.add_argument("--priority", choices=PRIORITIES)
    assign.add_argument("--due", metavar="YYYY-MM-DD")
    assign.set_defaults(do=_assign)

    export = commands.add_parser("export", help="fetch labels as one archive")
    export.add_argument("project")
    export.add_argument("--out", required=True)
    export.add_argument("--format", default="native")
    export.add_argument("--scene", action="append", help="these alone, by name or number")
    export.add_argument("--unreviewed", action="store_true", help="also what is not accepted yet")
    export.add_argument("--with-readings", action="store_true", help="with pictures and sweeps")
    export.set_defaults(do=_export)
    return parser


def _login(asked: argparse.Namespace) -> int:
    if asked.token:
        token = getpass.getpass("Token: ").strip()
    else:
        name = asked.name or input("Name: ").strip()
        token = login(
            asked.url, name, getpass.getpass("Password: "),
            name=f"masklet on {socket.gethostname()}"[:60],
            code=lambda: getpass.getpass("Code of the second factor: ").strip(),
        )  # fmt: skip
    with Client(asked.url, token) as client:
        me = client.me()
    path = config.write(config.Config(asked.url, token))
    print(f"signed in as {me.name}; the token is in {path}")
    return 0


def _projects(client: Client, asked: argparse.Namespace) -> int:
    found = [client.create_project(asked.new)] if asked.new else client.projects()
    if asked.json:
        print(json.dumps([asdict(each) for each in found], indent=2))
        return 0
    rows = [(str(p.id), p.name, p.role, str(p.scene_count), str(p.open_task_count)) for p in found]
    _table(("", "project", "you are", "scenes", "open tasks"), rows)
    return 0


def _import(client: Client, asked: argparse.Namespace) -> int:
    project = client.project(asked.project)
    job = client.import_drive(
        project, asked.path, format=asked.format, on_server=asked.on_server, told=_progress
    )
    _progress_ends()
    if not asked.wait:
        print(f"job {job.id}: it is being imported; see `masklet status {project.name!r}`")
        return 0
    job = client.wait(job, told=_progress)
    _progress_ends()
    print(f"imported as scene {', '.join(map(str, job.scene_ids))}")
    return 0


def _status(client: Client, asked: argparse.Namespace) -> int:
    project = client.project(asked.project)
    scenes, tasks = client.scenes(project), client.tasks(project)
    if asked.json:
        told = {"project": project, "scenes": scenes, "tasks": tasks}
        print(json.dumps(told, default=asdict, indent=2))
        return 0
    frames = sum(scene.frame_count for scene in scenes)
    print(f"{project.name}: {len(scenes)} scenes, {frames} frames, {len(tasks)} tasks")
    for state, count in Counter(task.state for task in tasks).most_common():
        print(f"  {count:4} {state.replace('_', ' ')}")
    rows = [
        (
            task.scene_name, f"{task.first_frame}-{task.last_frame}", task.state.replace("_", " "),
            PRIORITIES[task.priority], task.due or "", task.assignee.name if task.assignee else "-",
        )
        for task in tasks
    ]  # fmt: skip
    _table(("scene", "frames", "state", "priority", "due", "labeller"), rows)
    return 0


def _assign(client: Client, asked: argparse.Namespace) -> int:
    project = client.project(asked.project)
    if not (asked.to or asked.nobody or asked.split or asked.priority or asked.due):
        raise ValueError("say what to change: --to, --nobody, --split, --priority or --due")
    chosen = {scene.id for scene in _chosen(client, project, asked.scene)}
    if asked.split:
        for scene in sorted(chosen):
            parts = client.split(scene, frames=asked.split, overlap=asked.overlap)
            print(f"{parts[0].scene_name}: {len(parts)} tasks")
    tasks = [task for task in client.tasks(project) if task.scene in chosen]
    if asked.to or asked.nobody:
        tasks = [task for task in tasks if task.state != "accepted"]
    if not tasks:
        raise ValueError(f"{project.name} has no such tasks")
    assignees = [] if asked.nobody else asked.to
    if assignees is None and not asked.priority and not asked.due:
        return 0
    for task in client.plan(
        project, tasks, assignees=assignees, priority=asked.priority, due=asked.due
    ):
        print(_line(task))
    return 0


def _line(task: Task) -> str:
    who = task.assignee.name if task.assignee else "whoever comes first"
    return f"{task.scene_name} {task.first_frame}-{task.last_frame}: {who}"


def _export(client: Client, asked: argparse.Namespace) -> int:
    project = client.project(asked.project)
    scenes = _chosen(client, project, asked.scene)
    path = client.export(
        project, out=asked.out, format=asked.format, scenes=[scene.id for scene in scenes],
        include_unreviewed=asked.unreviewed, with_readings=asked.with_readings, told=_progress,
    )  # fmt: skip
    _progress_ends()
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB, {len(scenes)} scenes")
    return 0


def _chosen(client: Client, project: Project, wanted: Sequence[str] | None) -> list[Scene]:
    """The project's scenes, or those of them that are named."""
    scenes = client.scenes(project)
    if wanted is None:
        return scenes
    found = []
    for name in wanted:
        of_name = [scene for scene in scenes if name in (scene.name, str(scene.id))]
        if not of_name:
            raise ValueError(f"{project.name} has no scene {name!r}")
        found += of_name
    return found


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    if not rows:
        print("none")
        return
    widths = [max(len(row[k]) for row in (head, *rows)) for k in range(len(head))]
    for row in (head, *rows):
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        )


def _progress(what: str, done: int, total: int) -> None:
    if sys.stderr.isatty():
        share = f" {100 * done // total} %" if total else ""
        print(f"\r\033[K{what}{share}", end="", file=sys.stderr, flush=True)


def _progress_ends() -> None:
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
