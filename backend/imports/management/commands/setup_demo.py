"""python manage.py setup_demo --passwords FILE: people, a project and a drive to try things with."""

from __future__ import annotations

import json
import os
import secrets
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from backend.accounts.models import User
from backend.imports.actions import DEMO_FRAMES, DEMO_SEED, request_demo
from backend.projects.actions import create_project, set_member
from backend.projects.models import Project, Role

PROJECT = "Demo drive"
# username: (first name as shown, role in the demo project)
PEOPLE = {
    "admin": ("Admin", Role.ADMIN),
    "manager": ("Manager", Role.MANAGER),
    "reviewer": ("Reviewer", Role.REVIEWER),
    "annotator": ("Annotator", Role.ANNOTATOR),
}


class Command(BaseCommand):
    help = (
        "Make the four demo accounts, the demo project and its growing drive. Doing it again "
        "changes nothing. Prints JSON; a password only for an account that was just made."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--passwords", type=Path, required=True, help="JSON file (mode 0600) that keeps them"
        )
        parser.add_argument("--seed", type=int, default=DEMO_SEED)
        parser.add_argument("--frames", type=int, default=DEMO_FRAMES)

    def handle(self, *args: Any, **options: Any) -> None:
        passwords = read_passwords(options["passwords"])
        made: dict[str, str] = {}
        with transaction.atomic():
            for username, (shown, _) in PEOPLE.items():
                if not User.objects.filter(username=username).exists():
                    made[username] = passwords.setdefault(username, secrets.token_urlsafe(12))
                    _make_person(username, shown, made[username])
            # Before the commit: an account whose password nobody knows would be of no use.
            if made:
                write_passwords(options["passwords"], passwords)
            project = _demo_project()
            job = request_demo(
                project,
                by=User.objects.get(username="admin"),
                seed=options["seed"],
                frames=options["frames"],
            )
        users = [
            {"username": username, **({"password": made[username]} if username in made else {})}
            for username in PEOPLE
        ]
        self.stdout.write(json.dumps({"users": users, "project": project.pk, "job": job.pk}))


def _make_person(username: str, shown: str, password: str) -> None:
    is_admin = PEOPLE[username][1] == Role.ADMIN
    User.objects.create_user(
        username,
        password=password,
        first_name=shown,
        is_superuser=is_admin,
        is_staff=is_admin,
    )


def _demo_project() -> Project:
    """The project with its members; a role that somebody has changed since stays changed."""
    project = Project.objects.filter(name=PROJECT).first()
    if project is None:
        project = create_project(PROJECT)
        for username, (_, role) in PEOPLE.items():
            set_member(project, User.objects.get(username=username), role)
    return project


def read_passwords(path: Path) -> dict[str, str]:
    """Usernames and passwords, or {} when there is no file. Raises CommandError."""
    try:
        kept = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise CommandError(
            f"{path} cannot be read: {error}; move it away to make new ones"
        ) from None
    if not isinstance(kept, dict) or not all(isinstance(value, str) for value in kept.values()):
        raise CommandError(f"{path} is no table of passwords; move it away to make new ones")
    return kept


def write_passwords(path: Path, passwords: dict[str, str]) -> None:
    """Whole or not at all, and never readable by others, not even for a moment."""
    aside = path.with_name(f".{path.name}.new")
    path.parent.mkdir(parents=True, exist_ok=True)
    aside.unlink(missing_ok=True)
    with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(passwords, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    os.replace(aside, path)
