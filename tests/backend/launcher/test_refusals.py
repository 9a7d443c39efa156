from __future__ import annotations

import errno

import pytest

from backend.launcher.refusals import last_telling_line, reason_in, reason_of


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("initdb: error: could not write: No space left on device", "the disk is full"),
        ("npm error code ENOSPC", "the disk is full"),
        ("OSError: [Errno 122] Disk quota exceeded", "the disk is full"),
        (
            "postgres: error while loading shared libraries: libnuma.so.1: cannot open shared "
            "object file: No such file or directory",
            "the system library libnuma.so.1 is missing",
        ),
        (
            "ImportError: libGL.so.1: cannot open shared object file: No such file or directory",
            "the system library libGL.so.1 is missing",
        ),
        ("error: [Errno 13] Permission denied: '/srv/x'", "permission denied: /srv/x"),
    ],
)
def test_the_usual_troubles_are_recognised_in_a_programs_output(output: str, reason: str):
    found = reason_in(f"something before\n{output}\nsomething after")

    assert found is not None
    assert reason in found
    assert "\n" not in found


def test_a_package_server_out_of_reach_is_recognised_where_packages_are_fetched():
    for output in ("npm error code ENOTFOUND", "Temporary failure in name resolution"):
        assert "package server cannot be reached" in str(reason_in(output, downloads=True))
        assert reason_in(output) is None


def test_other_trouble_is_not_guessed_at():
    assert reason_in("ValueError: bad pyproject") is None


def test_errors_of_the_system_say_where_and_what_to_do():
    full = reason_of(OSError(errno.ENOSPC, "No space left on device", "/data/x"))
    denied = reason_of(PermissionError(errno.EACCES, "Permission denied", "/data/x"))

    assert full == "the disk is full (/data/x); make room and start again"
    assert denied.startswith("Permission denied (/data/x)")
    assert "MASKLET_DATA" in denied


def test_the_last_line_about_an_error_tells_most():
    assert last_telling_line(["a", "ERROR: broken", "see the log", ""]) == "ERROR: broken"
    assert last_telling_line(["a", "b", " "]) == "b"
    assert last_telling_line([]) == "it said nothing"
