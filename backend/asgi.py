"""HTTP and WebSocket entry."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backend.settings")
http = get_asgi_application()  # loads the apps; what follows needs them

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.security.websocket import OriginValidator  # noqa: E402
from django.conf import settings  # noqa: E402
from django.urls import path  # noqa: E402

from backend.workspace.control import ControlConsumer  # noqa: E402
from backend.workspace.frames import BulkConsumer  # noqa: E402
from backend.workspace.socket import SignedIn  # noqa: E402

# A browser sends its cookies along when any site opens a socket to us: the origin decides.
sockets = OriginValidator(
    SignedIn(
        URLRouter(
            [
                path("ws/scenes/<int:scene_id>/control", ControlConsumer.as_asgi()),
                path("ws/scenes/<int:scene_id>/bulk", BulkConsumer.as_asgi()),
            ]
        )
    ),
    settings.SOCKET_ORIGINS,
)

application = ProtocolTypeRouter({"http": http, "websocket": sockets})
