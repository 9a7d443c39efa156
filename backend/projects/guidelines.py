"""Markdown that people write, as HTML that is safe to show.

CommonMark with tables. HTML in it is shown as text, and links lead to http, https, mailto or a place on the
same page alone: whatever a manager pastes, no script comes of it.
"""

from __future__ import annotations

from functools import cache

from markdown_it import MarkdownIt


@cache
def _reader() -> MarkdownIt:
    # "js-default" has html off and refuses javascript:, vbscript:, file: and data: that is no picture.
    return MarkdownIt("js-default", {"linkify": False, "breaks": True}).enable("table")


def as_html(markdown: str) -> str:
    return str(_reader().render(markdown))
