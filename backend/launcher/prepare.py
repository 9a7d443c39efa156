"""What must be done in the database before the processes start: tables, and the demo.

    python -m backend.launcher.prepare [PASSWORDS_FILE]

One process for both, as loading Django takes a second. Prints one line of JSON: what `setup_demo`
made, or {} without a file.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import django
from django.core.management import call_command


def main() -> None:
    django.setup()
    call_command("migrate", interactive=False, verbosity=0)
    made = io.StringIO()
    if len(sys.argv) > 1:
        call_command("setup_demo", passwords=Path(sys.argv[1]), stdout=made)
    print(made.getvalue().strip() or "{}")


if __name__ == "__main__":
    main()
