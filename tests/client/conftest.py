"""The client's tests run on the backend's fixtures: own storage, own uploads, quick passwords."""

from tests.backend.conftest import one_connection, own_folders, quick_passwords

__all__ = ["one_connection", "own_folders", "quick_passwords"]
