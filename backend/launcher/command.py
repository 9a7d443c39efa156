"""What `manage.py` was asked to do. Python's own library only, until the environment is entered."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, redirect_stdout
from types import FrameType

from backend.launcher.environment import BASE_EXTRAS, enter
from backend.launcher.places import Data
from backend.launcher.progress import complain, say
from backend.launcher.refusals import CannotGoOn, reason_of

HELP = """Masklet

  manage.py up [--port N] [--host H] [--model FILE]  run everything; Ctrl-C stops it
  manage.py test [--quick] [-- PYTEST ...]           check and test everything
  manage.py lint                                     ruff, mypy, import contracts, tsc, biome
  manage.py bench [AREA] [--full] [--json FILE]      measure
  manage.py protocol                                 regenerate the browser's types of messages
  manage.py COMMAND ...                              import_scene, export_labels, prune_storage, migrate, ...

`manage.py COMMAND --help` says more. `manage.py help --commands` lists Django's commands.
"""
TEST_EXTRAS = BASE_EXTRAS | {"model", "engine", "test", "lint"}
# Commands of Django that need no database.
WITHOUT_SERVICES = {"check", "spectacular", "collectstatic", "findstatic", "version"}
WITHOUT_MIGRATING = {"migrate", "makemigrations", "showmigrations", "sqlmigrate", "dbshell"}


def main(argv: Sequence[str]) -> int:
    """The exit status; what stands in the way is said in one line."""
    # A polite request to end is treated as Ctrl-C: what we started is stopped in order. SIGINT too
    # needs saying, as a shell starts what it runs in the background deaf to it; nohup is obeyed.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _interrupt)
    try:
        return _run(list(argv))
    except CannotGoOn as refusal:
        complain(str(refusal))
    except OSError as error:
        if os.environ.get("MASKLET_TRACEBACK"):
            raise
        complain(reason_of(error))
    except KeyboardInterrupt:
        say("\nInterrupted.")
        return 130
    return 1


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _run(argv: list[str]) -> int:
    command, rest = (argv[1], argv[2:]) if len(argv) > 1 else ("help", [])
    if command in {"help", "-h", "--help"} and not rest:
        print(HELP, end="")
        return 0
    own: dict[str, Callable[[list[str]], int]] = {
        "up": _up,
        "test": _test,
        "lint": _lint,
        "bench": _bench,
        "protocol": _protocol,
    }
    return own[command](rest) if command in own else _django(argv)


def _up(rest: list[str]) -> int:
    from backend.launcher.up import parse_up, up, with_weights

    asked = parse_up(rest)
    enter(BASE_EXTRAS | ({"model"} if with_weights(asked) else set()))
    return up(asked, Data.of_environment())


def _test(rest: list[str]) -> int:
    from backend.launcher.checks import parse_test, test

    asked = parse_test(rest)
    enter(TEST_EXTRAS)
    return test(asked)


def _lint(rest: list[str]) -> int:
    from backend.launcher.checks import lint

    enter(TEST_EXTRAS)
    return lint(rest)


def _bench(rest: list[str]) -> int:
    from backend.launcher.bench import bench, parse_bench

    asked = parse_bench(rest)
    enter(TEST_EXTRAS)
    return bench(asked)


def _protocol(rest: list[str]) -> int:
    from backend.launcher.frontend import make_protocol

    enter(BASE_EXTRAS)
    make_protocol()
    return 0


def _django(argv: list[str]) -> int:
    # What a command prints may be read by a program: our own lines go elsewhere.
    with redirect_stdout(sys.stderr):
        enter(BASE_EXTRAS)
    if argv[1] == "help":
        argv = [argv[0], "help", *(part for part in argv[2:] if part != "--commands")]
    if _needs_no_services(argv):
        _run_django(argv, _settings_without_services())
        return 0
    from backend.launcher.services import using_services

    migrated = argv[1] not in WITHOUT_MIGRATING
    with ExitStack() as running:
        with redirect_stdout(sys.stderr):
            settings = running.enter_context(
                using_services(Data.of_environment(), migrated=migrated)
            )
        _run_django(argv, settings)
    return 0


def _needs_no_services(argv: list[str]) -> bool:
    asks_for_help = argv[1].startswith("-") or argv[1] == "help" or {"-h", "--help"} & set(argv)
    return bool(asks_for_help) or argv[1] in WITHOUT_SERVICES


def _settings_without_services() -> dict[str, str]:
    """Enough for Django to load: nothing here is ever reached or kept."""
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "backend.settings",
        "MASKLET_SECRET_KEY": os.environ.get("MASKLET_SECRET_KEY") or "for-one-command-only-" * 3,
    }


def _run_django(argv: list[str], settings: dict[str, str]) -> None:
    os.environ.update(settings)
    from django.core.management import execute_from_command_line

    execute_from_command_line(argv)
