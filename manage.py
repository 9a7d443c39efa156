#!/usr/bin/env python3
"""Everything that Masklet can be asked to do from a shell: `python3 manage.py help`.

Needs nothing but Python to start; the rest is installed into .venv on the way.
"""

import os
import sys

if sys.version_info < (3, 11):  # noqa: UP036  whoever has an older one should read this line
    sys.exit(
        f"Masklet needs Python 3.11 or newer; {sys.executable} is "
        f"{sys.version_info[0]}.{sys.version_info[1]}. Try: python3.11 manage.py"
    )

if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    from backend.launcher.command import main

    sys.exit(main(sys.argv))
