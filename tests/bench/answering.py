"""A model worker whose model costs nothing, in a process of its own: for tests/bench/click.py.

python -m tests.bench.answering
"""

from __future__ import annotations

import os
import threading
from typing import Any

READY = "answering"


def main() -> None:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backend.settings")
    django.setup()
    from backend.predictions.worker import Resident
    from tests.stub_predictor import StubPredictor

    class AnswersAtOnce(StubPredictor):
        """The first answer, given again."""

        answer: list[Any] | None = None

        def add_prompt(self, opened: Any, *, frame: int, prompts: Any) -> list[Any]:
            if self.answer is None:
                self.answer = super().add_prompt(opened, frame=frame, prompts=prompts)
            return self.answer

    resident, stop = Resident(AnswersAtOnce(), f"bench-{os.getpid()}"), threading.Event()
    resident.register()
    threading.Thread(target=resident.beat_for_ever, args=[stop], daemon=True).start()
    print(READY, flush=True)
    resident.listen_for_clicks(stop)


if __name__ == "__main__":
    main()
