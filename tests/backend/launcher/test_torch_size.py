from __future__ import annotations

from pathlib import Path

from backend.launcher.torch_size import warning_in


def package(name: str, version: str, url: str) -> dict[str, object]:
    return {"metadata": {"name": name, "version": version}, "download_info": {"url": url}}


def test_a_cuda_build_is_announced_with_its_size_in_one_line(tmp_path: Path):
    urls = []
    for name, size in {"torch": 2_000_000_000, "nvidia-cudnn": 700_000_000}.items():
        with open(tmp_path / name, "wb") as file:
            file.truncate(size)  # takes no room
        urls.append((tmp_path / name).as_uri())
    report = {
        "install": [
            package("torch", "2.13.0", urls[0]),
            package("nvidia-cudnn-cu13", "9.1", urls[1]),
        ]
    }

    warning = warning_in(report)

    assert warning is not None
    assert "2.7 GB" in warning
    assert "PIP_EXTRA_INDEX_URL" in warning
    assert "\n" not in warning


def test_an_unknown_size_is_not_made_up(tmp_path: Path):
    absent = (tmp_path / "absent").as_uri()

    warning = warning_in({"install": [package("nvidia-cublas", "13", absent)]})

    assert warning is not None
    assert "several GB" in warning


def test_a_build_for_processors_needs_no_warning(tmp_path: Path):
    url = (tmp_path / "torch").as_uri()

    assert warning_in({"install": [package("torch", "2.13.0+cpu", url)]}) is None
    assert warning_in({"install": []}) is None
    assert warning_in({}) is None
