from __future__ import annotations

import json
from pathlib import Path

import pytest

from backend.launcher import bench as module
from backend.launcher.bench import areas, parse_bench
from tests.bench import machine
from tests.bench.report import Report, meets, number, split_unit


@pytest.mark.parametrize(
    ("value", "target", "met"),
    [
        (10.0, "<=10", True),
        (10.1, "<=10", False),
        (5.0, ">=5x", True),
        (4.9, ">= 5x", False),
        (2.0, "<2", False),
        (0.1, ">0", True),
    ],
)
def test_a_figure_meets_its_target_or_misses_it(value: float, target: str, met: bool):
    assert meets(value, target) is met


def test_a_target_that_cannot_be_read_is_refused():
    with pytest.raises(ValueError, match="fast"):
        meets(1.0, "fast")


def test_the_unit_is_read_from_the_end_of_a_name():
    assert split_unit("import_peak_mib") == ("import peak", "MiB")
    assert split_unit("encode_ns_per_point") == ("encode", "ns/pt")
    assert split_unit("demo_frames_per_s") == ("demo", "frames/s")
    assert split_unit("clicks") == ("clicks", "")


def test_numbers_keep_three_figures():
    assert [number(value) for value in (0.012345, 3.14159, 123.4, 98765.4, "no")] == [
        "0.0123",
        "3.14",
        "123",
        "98765",
        "no",
    ]


def test_the_table_shows_ratio_target_and_verdict():
    report = Report()
    report.row("wire", "size", 3.0, "B/pt", limit=2.5, target="<=3.2")
    report.figures("start", {"start_warm_s": 12.0}, {"start_warm_s": "<=10"})

    lines = report.table().splitlines()

    assert lines[-2].split() == ["wire", "size", "3", "B/pt", "2.5", "1.2", "<=3.2", "ok"]
    assert lines[-1].split() == ["start", "warm", "12", "s", "-", "-", "<=10", "MISSED"]
    assert report.has_missed


def test_the_machine_is_written_beside_the_figures(tmp_path: Path):
    report = Report()
    report.row("click", "overhead", 4.0, "ms")
    report.write(tmp_path / "out.json")

    answer = json.loads((tmp_path / "out.json").read_text())

    assert answer["rows"][0]["value"] == 4.0
    assert {"cpu", "cores", "load", "python"} <= answer["machine"].keys()
    assert answer["machine"]["cores"] >= 1


def test_a_run_that_was_broken_off_is_taken_up_where_it_was(tmp_path: Path):
    earlier = Report()
    earlier.row("wire", "size", 3.0, "B/pt", target="<=2")
    earlier.write(tmp_path / "out.json")

    later = Report()

    assert later.take_over(tmp_path / "out.json") == {"wire"}
    assert later.rows == earlier.rows
    assert later.has_missed
    assert Report().take_over(tmp_path / "absent.json") == set()


def test_an_area_is_a_file_that_measures_something(monkeypatch, tmp_path: Path):
    (tmp_path / "wire.py").write_text("def measure(*, full=False):\n    return {}\n")
    (tmp_path / "click.py").write_text("def run(report, full):\n    ...\n")
    (tmp_path / "page.py").write_text("def open_page():\n    ...\n")
    monkeypatch.setattr(module, "FOLDER", tmp_path)

    assert areas() == ["click", "wire"]
    assert parse_bench(["wire", "--full"]).full
    with pytest.raises(SystemExit):
        parse_bench(["page"])


def test_a_machine_that_changed_meanwhile_is_remarked():
    report = Report()
    report.figures("machine", {"memcpy_gb_per_s": 10.0, "zstd-1_mb_per_s": 400.0})
    report.row("wire", "size", 3.0, "B/pt")

    machine.remark_moves(report, {"memcpy_gb_per_s": 8.1, "zstd-1_mb_per_s": 300.0})

    moved = [row for row in report.rows if "moved" in row.metric]
    assert [(row.area, row.metric, row.value, row.limit) for row in moved] == [
        ("machine", "zstd-1 moved meanwhile", 300.0, 400.0)
    ]
    assert not report.has_missed


def test_an_area_that_breaks_is_a_miss_and_not_the_end(monkeypatch):
    class Broken:
        @staticmethod
        def run(report: Report, full: bool) -> None:
            raise RuntimeError("no network")

    monkeypatch.setattr(module.importlib, "import_module", lambda _: Broken)
    report = Report()

    module._measure("wire", report, full=False)

    assert report.has_missed
    assert "no network" in report.table()
