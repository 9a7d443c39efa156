from django.apps import AppConfig


class Webhooks(AppConfig):
    name = "backend.webhooks"

    def ready(self) -> None:
        from backend.webhooks import listening  # noqa: F401 - connects its receivers
