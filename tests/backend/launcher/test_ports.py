from __future__ import annotations

import socket

import pytest

from backend.launcher.ports import LOOPBACK, free_port, listening_socket
from backend.launcher.refusals import CannotGoOn


def test_a_taken_port_is_named_with_the_way_out():
    with socket.socket() as other:
        other.bind((LOOPBACK, 0))
        other.listen()
        port = other.getsockname()[1]

        with pytest.raises(CannotGoOn, match=rf"port {port} is taken.*--port"):
            listening_socket(LOOPBACK, port)


def test_lingering_connections_of_an_earlier_run_do_not_take_a_port():
    earlier = listening_socket(LOOPBACK, 0)
    port = earlier.getsockname()[1]
    browser = socket.create_connection((LOOPBACK, port))
    accepted, _ = earlier.accept()
    accepted.close()  # the side that closes first is left in TIME_WAIT
    assert browser.recv(1) == b""
    browser.close()
    earlier.close()

    again = listening_socket(LOOPBACK, port)

    assert again.getsockname()[1] == port
    again.close()


def test_port_zero_takes_a_free_one():
    with listening_socket(LOOPBACK, 0) as listening:
        assert listening.getsockname()[1] > 0


def test_a_connection_is_accepted_before_the_server_runs():
    with listening_socket(LOOPBACK, 0) as listening:
        socket.create_connection(listening.getsockname(), timeout=2).close()


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_number_that_is_no_port_is_refused(port: int):
    with pytest.raises(CannotGoOn, match="0 to 65535"):
        listening_socket(LOOPBACK, port)


def test_an_address_of_another_machine_is_refused():
    with pytest.raises(CannotGoOn, match=r"cannot listen on 192\.0\.2\.1:0"):
        listening_socket("192.0.2.1", 0)


def test_a_free_port_can_be_bound():
    with socket.socket() as server:
        server.bind((LOOPBACK, free_port()))
