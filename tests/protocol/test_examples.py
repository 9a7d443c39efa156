"""The contract between both ends: example bytes and messages that the TypeScript tests read too."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zstandard
from pydantic import TypeAdapter

from backend.protocol import messages, schema
from backend.scenes.sweep_codec import decode_view
from inference.masks import encode_runs, run_lengths
from tests.protocol import make_examples

EXAMPLES = make_examples.EXAMPLES
EXPECTED = json.loads((EXAMPLES / "expected.json").read_text())
ADAPTERS: dict[str, TypeAdapter[Any]] = {
    "client": messages.client_message,
    "server": messages.server_message,
    "bulk_client": messages.bulk_client_message,
    "bulk_server": TypeAdapter(messages.BulkServerMessage),
}


def test_the_committed_examples_are_what_the_tables_say(tmp_path, monkeypatch):
    monkeypatch.setattr(make_examples, "EXAMPLES", tmp_path)

    make_examples.write()

    written = sorted(tmp_path.iterdir())
    assert len(written) == 6
    for path in written:
        committed = EXAMPLES / path.name
        # Versions of zstd may pack differently: compare what comes out.
        assert _unpacked(path) == _unpacked(committed), path.name


def _unpacked(path: Path) -> bytes:
    data = path.read_bytes()
    start = data.find(zstandard.FRAME_HEADER)
    if path.suffix != ".bin" or start < 0:
        return data
    return data[:start] + zstandard.ZstdDecompressor().decompress(data[start:])


@pytest.mark.parametrize("name", ["sweep_p8.bin", "sweep_d1.bin"])
def test_the_view_codec_reads_the_example_sweeps(name):
    sweep = EXPECTED["sweep"]
    steps = np.array([point[:3] for point in sweep["points"]], np.float64)
    metres = steps * sweep["step_m"] + sweep["low_corner"]

    points_ego, extras = decode_view((EXAMPLES / name).read_bytes())

    assert np.abs(points_ego - metres).max() < 1e-4
    assert extras.tolist() == [point[3:] for point in sweep["points"]]


@pytest.mark.parametrize("example", EXPECTED["runs"], ids=lambda example: example["mask"][:8])
def test_masks_become_the_run_lengths_worked_out_by_hand(example):
    mask = np.array([letter == "1" for letter in example["mask"]], dtype=bool)

    assert run_lengths(encode_runs(mask)).tolist() == example["lengths"]


@pytest.mark.parametrize("side", ADAPTERS)
def test_every_example_message_is_read_and_written_alike(side):
    examples = json.loads((EXAMPLES / "messages.json").read_text())[side]

    for example in examples:
        message = ADAPTERS[side].validate_python(example)
        assert message.model_dump(mode="json") == example


def test_the_browsers_types_were_made_from_this_schema():
    generated = Path("frontend/src/protocol/messages.ts")
    text = json.dumps(schema.schema(), indent=2)

    digest = hashlib.sha256(text.encode()).hexdigest()

    assert f"schema sha256 {digest}" in generated.read_text(), "run `manage.py protocol`"
