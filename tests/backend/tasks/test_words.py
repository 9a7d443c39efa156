"""The page says reasons in the words of the server."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from backend.tasks.models import Fault, Task, WhySkipped

PAGE = Path("frontend/src/panels/taskStates.ts").read_text()


@pytest.mark.parametrize(("name", "choices"), [("FAULTS", Fault), ("WHY_SKIPPED", WhySkipped)])
def test_kinds_of_faults_and_of_skips_are_the_server_s(name, choices):
    (block,) = re.findall(rf"const {name}: [^=]*= {{(.*?)}};", PAGE, re.DOTALL)

    assert dict(re.findall(r'(\w+): "([^"]*)"', block)) == dict(choices.choices)


def test_every_state_has_its_words():
    (block,) = re.findall(r"const TASK_STATES: [^=]*= {(.*?)};", PAGE, re.DOTALL)

    assert set(re.findall(r"^  (\w+): {", block, re.MULTILINE)) == set(Task.State.values)
