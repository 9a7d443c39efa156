"""Masklet's server. The version is the first heading of CHANGELOG.md, so that the log cannot be forgotten."""

import re
from pathlib import Path

_HEADING = re.search(
    r"^## (\S+)", (Path(__file__).parent.parent / "CHANGELOG.md").read_text(), re.MULTILINE
)
assert _HEADING, "CHANGELOG.md has no version heading"
__version__ = _HEADING[1]
