"""The flows run on the backend's fixtures: own storage, own uploads, quick passwords."""

from tests.backend.conftest import own_folders, quick_passwords

__all__ = ["own_folders", "quick_passwords"]
