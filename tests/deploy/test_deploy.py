"""What can be said of deploy/ without a container engine: structure, settings, entry points."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

CHECKOUT = Path(__file__).parent.parent.parent
DEPLOY = CHECKOUT / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
GPU = yaml.safe_load((DEPLOY / "compose.gpu.yaml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = {name for name, service in SERVICES.items() if service["image"].startswith("masklet-")}
DOCKERFILES = ["web.Dockerfile", "worker.Dockerfile"]
COMMANDS = {name: SERVICES[name]["command"] for name in OURS if "command" in SERVICES[name]}


def settings_names() -> set[str]:
    """Every environment variable that backend/settings.py reads."""
    names: set[str] = set()
    for node in ast.walk(ast.parse((CHECKOUT / "backend" / "settings.py").read_text())):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in {"_text", "_flag", "_number", "_list"}
            and isinstance(node.args[0], ast.Constant)
        ):
            names.add(node.args[0].value)
    return names


def example() -> dict[str, tuple[str, bool]]:
    """Names of example.env: their values, and whether they are set or only shown."""
    found: dict[str, tuple[str, bool]] = {}
    for line in (DEPLOY / "example.env").read_text().splitlines():
        if match := re.fullmatch(r"(#?)([A-Z][A-Z0-9_]+)=(.*)", line):
            assert match[2] not in found, f"{match[2]} is listed twice"
            found[match[2]] = match[3], not match[1]
    return found


def interpolated() -> set[str]:
    """Names that compose.yaml itself takes from .env."""
    return set(re.findall(r"\$\{([A-Z0-9_]+)", (DEPLOY / "compose.yaml").read_text()))


def test_example_env_has_every_setting_and_no_other():
    assert len(settings_names()) > 10
    assert settings_names() - set(example()) == set()
    assert set(example()) - settings_names() - interpolated() == set()


def test_every_name_that_compose_takes_is_in_example_env():
    assert interpolated() - set(example()) == set()


def test_what_example_env_shows_as_a_default_is_the_default():
    code = (
        "import backend.settings as s; print(s.DATABASE_URL, s.REDIS_URL, s.PREDICTOR, "
        "s.UPLOAD_LIMIT_BYTES // 10**9, s.DATABASES['default']['OPTIONS']['pool']['max_size'], "
        "s.DATA.relative_to(s.BASE), s.FRONTEND.relative_to(s.BASE), int(s.DEBUG))"
    )
    names = [
        "DATABASE_URL", "REDIS_URL", "MASKLET_PREDICTOR", "MASKLET_UPLOAD_LIMIT_GB",
        "MASKLET_DATABASE_POOL", "MASKLET_DATA", "MASKLET_FRONTEND", "MASKLET_DEBUG",
    ]  # fmt: skip

    shown = run([sys.executable, "-c", code], {"MASKLET_SECRET_KEY": "x" * 40}).split()

    assert shown == [example()[name][0] for name in names]
    assert not any(example()[name][1] for name in names)


def test_no_secret_has_a_value_in_example_env():
    for name in ("MASKLET_SECRET_KEY", "POSTGRES_PASSWORD", "MASKLET_S3_SECRET_KEY"):
        assert example()[name] == ("", True)


def test_the_services_that_are_named_exist():
    assert {
        "proxy",
        "web",
        "io-worker",
        "model-worker",
        "engine-worker",
        "beat",
        "postgres",
    } <= set(SERVICES)
    assert "valkey" in SERVICES
    for name, service in SERVICES.items():
        needed = service.get("depends_on", {})
        assert set(needed) <= set(SERVICES), name
        for other, how in needed.items():
            if how["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[other] or other == "web", (name, other)
            if how["condition"] == "service_completed_successfully":
                assert SERVICES[other]["restart"] == "no", (name, other)
    assert set(GPU["services"]) <= set(SERVICES)


def test_nobody_waits_in_a_circle():
    waits = {name: set(service.get("depends_on", {})) for name, service in SERVICES.items()}
    while waits:
        free = {name for name, needed in waits.items() if not needed & set(waits)}
        assert free, f"these wait for each other: {sorted(waits)}"
        waits = {name: needed for name, needed in waits.items() if name not in free}


def test_volumes_configs_and_files_are_there():
    for name, service in SERVICES.items():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("."):
                assert (DEPLOY / source).exists(), (name, source)
            else:
                assert source in COMPOSE["volumes"], (name, source)
        for config in service.get("configs", []):
            assert config["source"] in COMPOSE["configs"]


def test_images_of_others_are_pinned():
    for name, service in SERVICES.items():
        if name not in OURS:
            _, _, tag = service["image"].partition(":")
            assert re.match(r"\d", tag), service["image"]


def test_only_the_proxy_is_reachable_from_outside():
    assert {name for name, service in SERVICES.items() if "ports" in service} == {"proxy"}


@pytest.mark.parametrize("name", sorted(OURS))
def test_our_images_are_built_somewhere_and_know_every_variable_they_get(name: str):
    service = SERVICES[name]
    built = {s["image"]: s["build"] for s in SERVICES.values() if "build" in s}
    build = built[service["image"]]
    assert (DEPLOY / build["context"] / build["dockerfile"]).is_file()
    assert set(service["environment"]) <= settings_names()


@pytest.mark.parametrize("name", sorted(OURS))
def test_settings_load_with_what_a_service_gets(name: str, tmp_path: Path):
    values = {key: value or "0123456789abcdef" * 3 for key, (value, is_set) in example().items()
              if is_set}  # fmt: skip
    environment = {
        key: re.sub(r"\$\{([A-Z0-9_]+)[^}]*\}", lambda found: values[found[1]], value)
        for key, value in SERVICES[name]["environment"].items()
    }

    shown = run(
        [sys.executable, "-c", "import backend.settings as s; print(s.S3_BUCKET, s.REDIS_URL, "
         "s.DATABASES['default']['HOST'], s._OBJECTS['OPTIONS']['endpoint_url'])"],
        {**values, **environment, "MASKLET_DATA": str(tmp_path)},
    )  # fmt: skip

    assert shown.split() == ["masklet", "redis://valkey:6379/0", "postgres", "http://objects:8333"]
    for address in (environment["REDIS_URL"], environment["MASKLET_S3_ENDPOINT"]):
        assert re.search(r"//([a-z]+):", address)[1] in SERVICES


def run(command: list[str], environment: dict[str, str]) -> str:
    kept = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    return subprocess.run(
        command,
        env={**kept, "DJANGO_SETTINGS_MODULE": "backend.settings", **environment},
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def dockerfile_command(name: str) -> list[str]:
    text = (DEPLOY / name).read_text().replace("\\\n", "")
    (command,) = re.findall(r"^CMD (\[.*\])$", text, re.MULTILINE)
    return list(ast.literal_eval(command))


@pytest.mark.parametrize(
    "command",
    [*COMMANDS.values(), *map(dockerfile_command, DOCKERFILES)],
    ids=[*COMMANDS, *DOCKERFILES],
)
def test_entry_points_are_there_and_know_their_options(command: list[str]):
    if command[0] == "python" and command[1] != "-m":
        assert (CHECKOUT / command[1]).is_file()
        compile((CHECKOUT / command[1]).read_text(), command[1], "exec")
        return
    # Up to the subcommand: `celery -A app worker`, `python -m django migrate`, `uvicorn app`.
    ends = {"celery": 4, "python": 4, "uvicorn": 1}[command[0]]
    program = Path(sys.executable).parent / command[0]

    helped = run([str(program), *command[1:ends], "--help"], SECRETS)

    for option in command[ends:]:
        if option.startswith("-"):
            assert re.search(rf"(?<![\w-]){re.escape(option)}\b", helped), option


SECRETS = {
    "MASKLET_SECRET_KEY": "x" * 40,
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
    "REDIS_URL": "redis://127.0.0.1:1/0",
}


@pytest.mark.parametrize("target", ["backend.asgi:application", "backend.celery:app"])
def test_what_the_entry_points_name_can_be_imported(target: str):
    module, _, name = target.partition(":")

    run([sys.executable, "-c", f"import {module} as m; m.{name}"], SECRETS)


def test_the_web_process_loads_neither_pytorch_nor_the_libraries_of_workers():
    heavy = ("torch", "pyarrow", "cv2", "numba", "scipy", "google_crc32c", "inference.predictor",
             "inference.datasets", "inference.world")  # fmt: skip

    loaded = run(
        [sys.executable, "-c",
         "import backend.asgi, backend.urls, sys; print(*sys.modules)"],
        SECRETS,
    ).split()  # fmt: skip

    assert "backend.exports.api" in loaded
    assert [name for name in heavy if name in loaded] == []


def test_the_web_image_is_built_from_the_list_without_pytorch():
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]

    assert "RUN pip install -e .\n" in (DEPLOY / "web.Dockerfile").read_text()
    assert not any(re.match(r"torch|nvidia", line) for line in project["dependencies"])
    for build in (SERVICES["io-worker"]["build"], SERVICES["model-worker"]["build"]):
        assert set(build["args"]["EXTRAS"].split(",")) <= set(project["optional-dependencies"])


@pytest.mark.parametrize("name", DOCKERFILES)
def test_what_is_copied_into_an_image_exists_and_is_sent_to_the_builder(name: str):
    text = (DEPLOY / name).read_text()
    ignored = (DEPLOY / f"{name}.dockerignore").read_text().splitlines()
    assert ignored[0] == "*"  # only what is named below is sent
    sent = [line[1:] for line in ignored if line.startswith("!")]

    for line in re.findall(r"^COPY (.*)$", text, re.MULTILINE):
        if line.startswith("--from"):
            continue
        for source in line.split()[:-1]:
            assert (CHECKOUT / source).exists(), source
            assert any(Path(source).is_relative_to(place) for place in sent), source


@pytest.mark.parametrize("name", DOCKERFILES)
def test_images_do_not_run_as_root(name: str):
    lines = (DEPLOY / name).read_text().splitlines()

    assert lines.index("USER masklet") < min(
        number for number, line in enumerate(lines) if line.startswith("CMD ")
    )


def test_the_proxy_passes_sockets_and_pieces_and_hides_nothing_of_who_asks():
    text = re.sub(r"#.*", "", (DEPLOY / "proxy.conf").read_text())
    assert text.count("{") == text.count("}")
    lines = {" ".join(line.split()) for line in re.split(r"[;{}]", text)}

    assert {
        "proxy_pass http://web:8000",
        "proxy_set_header Upgrade $http_upgrade",
        "proxy_set_header Connection $connection_upgrade",
        "proxy_buffering off",
        "proxy_set_header X-Forwarded-For $remote_addr",
    } <= lines
    (limit,) = [line.split()[1] for line in lines if line.startswith("client_max_body_size")]
    assert int(limit.removesuffix("m")) * 2**20 > 8 * 2**20  # one piece of an upload and its head
