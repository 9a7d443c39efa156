"""A Chromium for the browser tests, wherever one is to be had. Never silently none."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from backend.launcher.environment import VENV, python_here
from backend.launcher.frontend import find_node
from backend.launcher.places import CHECKOUT
from backend.launcher.progress import run_step
from backend.launcher.refusals import CannotGoOn, reason_in

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PACKAGE = "@sparticuz/chromium@147"
# Unpacks the browser, and the libraries that slim machines lack; prints where they are.
UNPACK = """
import { brotliDecompressSync } from "node:zlib";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import chromium from "@sparticuz/chromium";
const executable = await chromium.executablePath();
let folder = dirname(createRequire(import.meta.url).resolve("@sparticuz/chromium"));
let packed;
for (let up = 0; up < 6 && !packed; up++, folder = dirname(folder)) {
  try { packed = readFileSync(join(folder, "bin", "al2023.tar.br")); } catch {}
}
const libraries = process.argv[2];
mkdirSync(libraries, { recursive: true });
if (packed) writeFileSync(join(libraries, "libraries.tar"), brotliDecompressSync(packed));
console.log(JSON.stringify({ executable }));
"""


@dataclass(frozen=True)
class Chromium:
    executable: str
    libraries: str = ""

    @property
    def variables(self) -> dict[str, str]:
        """What a test run needs in its environment."""
        found = {"CHROMIUM": self.executable}
        if self.libraries:
            known = os.environ.get("LD_LIBRARY_PATH", "")
            found["LD_LIBRARY_PATH"] = f"{self.libraries}:{known}".rstrip(":")
        return found


def find_chromium() -> Chromium:
    """$CHROMIUM, the system's, Playwright's own, or one from npm. Raises CannotGoOn."""
    if chosen := os.environ.get("CHROMIUM"):
        if not Path(chosen).exists():
            raise CannotGoOn(f"CHROMIUM={chosen}: there is no such file")
        return Chromium(chosen)
    for name in NAMES:
        if path := shutil.which(name):
            return Chromium(path)
    return _playwrights_own() or _from_npm()


def _playwrights_own() -> Chromium | None:
    asked = subprocess.run(
        [
            str(python_here()),
            "-c",
            "from playwright.sync_api import sync_playwright as s\n"
            "with s() as p: print(p.chromium.executable_path)",
        ],
        capture_output=True,
        text=True,
    )
    path = asked.stdout.strip()
    return Chromium(path) if asked.returncode == 0 and path and Path(path).exists() else None


def _from_npm() -> Chromium:
    folder = VENV / "chromium"
    folder.mkdir(parents=True, exist_ok=True)
    node = find_node()
    if not (folder / "node_modules" / "@sparticuz").is_dir():
        (folder / "package.json").write_text('{"private": true, "type": "module"}')
        run_step(
            "Fetching a Chromium for the browser tests",
            [*node.npm, "install", "--no-audit", "--no-fund", PACKAGE],
            cwd=folder,
            environment=node.environment,
            downloads=True,
        )
    (folder / "unpack.mjs").write_text(UNPACK)
    # It unpacks into the temporary folder; ours is nobody else's.
    (folder / "browser").mkdir(exist_ok=True)
    environment = {**node.environment, "TMPDIR": str(folder / "browser")}
    program = shutil.which("node", path=environment.get("PATH")) or "node"
    said = run_step(
        "Unpacking it",
        [program, "unpack.mjs", folder / "lib"],
        cwd=folder,
        environment=environment,
    )
    executable = json.loads(said.strip().splitlines()[-1])["executable"]
    return _with_libraries(executable, folder / "lib")


def _with_libraries(executable: str, folder: Path) -> Chromium:
    found = Chromium(executable)
    if not _complaint(found):
        return found
    archive = folder / "libraries.tar"
    if archive.exists():
        shutil.unpack_archive(archive, folder, filter="data")
        for library in folder.rglob("*.so*"):
            found = Chromium(executable, str(library.parent))
            break
    if complaint := _complaint(found):
        raise CannotGoOn(f"no Chromium for the browser tests: {reason_in(complaint) or complaint}")
    return found


def _complaint(chromium: Chromium) -> str:
    try:
        asked = subprocess.run(
            [chromium.executable, "--version"],
            env={**os.environ, **chromium.variables},
            capture_output=True,
            text=True,
            cwd=CHECKOUT,
        )
    except OSError as error:
        return str(error)
    return "" if asked.returncode == 0 else (asked.stderr or asked.stdout or "it does not start")
