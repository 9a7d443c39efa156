"""Sending one message: signed as Standard Webhooks says, and never to where only we can reach.

https://github.com/standard-webhooks/standard-webhooks: the header `webhook-signature` is "v1," and the base64 of
HMAC-SHA256 over "ID.SECONDS.BODY", with the secret's bytes after "whsec_".
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import secrets
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
from django.conf import settings

PREFIX = "whsec_"
_PATIENCE_S = 10.0


class Unsendable(ValueError):
    """The address is none that we send to; the message says why, and nothing of what is there."""


@dataclass(frozen=True)
class Place:
    """An address that was looked up once: the name may mean another machine a moment later."""

    url: httpx.URL  # with the machine's number instead of its name
    host: str  # as others know it


def new_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(24)).decode()


def signature(secret: str, message_id: str, seconds: int, body: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = f"{message_id}.{seconds}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def check_address(url: str) -> None:
    """What can be told without looking it up. Raises Unsendable."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise Unsendable(f"{url!r} is no address") from error
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise Unsendable("give an address that begins with https://")
    if parts.username or parts.password:
        raise Unsendable("an address with a name and a password in it is not kept")
    if not settings.WEBHOOKS_ANYWHERE and (parts.scheme != "https" or port not in (None, 443)):
        raise Unsendable(
            "messages go to https:// on port 443 alone (MASKLET_WEBHOOKS_ANYWHERE lifts that)"
        )


def look_up(url: str) -> Place:
    """Where to connect to. Raises Unsendable for what is not on the open internet."""
    check_address(url)
    parts = urlsplit(url)
    assert parts.hostname is not None
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unsendable(f"there is no machine called {parts.hostname}") from error
    numbers = [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
    # All of them: of a name with a public and a private number the private one might be asked.
    is_open = all(number.is_global and not number.is_multicast for number in numbers)
    if not is_open and not settings.WEBHOOKS_ANYWHERE:
        raise Unsendable(f"{parts.hostname} is not on the open internet")
    netloc = f"[{numbers[0]}]" if numbers[0].version == 6 else str(numbers[0])
    path = parts.path or "/"
    query = f"?{parts.query}" if parts.query else ""
    return Place(
        httpx.URL(f"{parts.scheme}://{netloc}:{port}{path}{query}"),
        parts.netloc,
    )


def send(url: str, secret: str, message_id: str, seconds: int, body: bytes) -> int:
    """Returns the status of the answer, whose text nobody reads. Raises Unsendable, or httpx.HTTPError."""
    place = look_up(url)
    headers = {
        "Host": place.host,
        "Content-Type": "application/json",
        "User-Agent": "Masklet-Webhooks",
        "webhook-id": message_id,
        "webhook-timestamp": str(seconds),
        "webhook-signature": signature(secret, message_id, seconds, body),
    }
    # No proxy of the environment, no redirect: both lead elsewhere than what was looked up.
    with (
        httpx.Client(timeout=_PATIENCE_S, trust_env=False, follow_redirects=False) as client,
        client.stream(
            "POST", place.url, content=body, headers=headers,
            extensions={"sni_hostname": urlsplit(url).hostname},
        ) as response,
    ):  # fmt: skip
        return response.status_code
