"""What can be chosen can be read."""

from __future__ import annotations

import os
import subprocess
import sys

from backend.imports.formats import FORMATS
from inference.datasets import READERS


def test_every_reader_is_offered_and_every_offer_has_a_reader():
    assert set(FORMATS) == set(READERS)


def test_web_processes_load_no_reader():
    """Readers need PyArrow, which the web image lacks."""
    answer = subprocess.run(
        [
            sys.executable,
            "-c",
            "import django, sys; django.setup(); import backend.urls;"
            "print([name for name in sys.modules if name.startswith(('pyarrow', 'torch'))])",
        ],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "backend.settings"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert answer.stdout.strip() == "[]"
