"""Would pip download a PyTorch of several gigabytes? Asked of pip itself, with all its settings."""

from __future__ import annotations

import json
import subprocess
import tempfile
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from backend.launcher.progress import step

CPU_BUILD = (
    "for the much smaller build for processors set PIP_EXTRA_INDEX_URL, before the first start, to the "
    'index that PyTorch\'s page "Get Started" names for CPU; `up --model geometric` needs no PyTorch'
)


def warning_about_torch(python: Path, requirements: Sequence[str]) -> str | None:
    """One line, or None when what pip would fetch is no CUDA build (or pip does not say)."""
    with step("Asking pip what PyTorch it would download"):
        would = _report(python, requirements)
    return warning_in(would)


def warning_in(report: dict[str, Any]) -> str | None:
    """report: what `pip install --dry-run --report` wrote."""
    packages = report.get("install", [])
    names = [package["metadata"]["name"].lower() for package in packages]
    if not any(name.startswith(("nvidia-", "cuda-")) or name == "triton" for name in names):
        return None
    sizes = [_size_bytes(package["download_info"]["url"]) for package in packages]
    known = sum(size for size in sizes if size)
    size = f"{known / 1e9:.1f} GB" if all(sizes) else "several GB"
    return f"WARNING: pip will download a CUDA build of PyTorch, {size}; {CPU_BUILD}"


def _report(python: Path, requirements: Sequence[str]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, "report.json")
        command = [str(python), "-m", "pip", "install", "--quiet", "--dry-run", "--no-input"]
        command += ["--report", str(place), *requirements]
        asked = subprocess.run(command, capture_output=True)
        if asked.returncode != 0:
            return {}  # the install itself will say what is wrong
        answer: dict[str, Any] = json.loads(place.read_text())
        return answer


def _size_bytes(url: str) -> int | None:
    try:
        if urlsplit(url).scheme == "file":
            return Path(url2pathname(urlsplit(url).path)).stat().st_size
        head = urllib.request.Request(url, method="HEAD")
        with urllib.request.urlopen(head, timeout=10) as answer:
            return int(answer.headers["Content-Length"])
    except (OSError, ValueError, TypeError):
        return None
