from django.apps import AppConfig


class Quality(AppConfig):
    name = "backend.quality"

    def ready(self) -> None:
        from backend.quality import listening  # noqa: F401 - connects its receivers
