"""Signing in and out, and personal tokens. There is no way to sign up: an admin makes accounts."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar

from django.contrib.auth import authenticate, login, logout
from django.contrib.auth.models import AnonymousUser
from django.middleware.csrf import get_token
from django.shortcuts import get_object_or_404
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import csrf_protect
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle, SimpleRateThrottle
from rest_framework.views import APIView

from backend.accounts import second_factor
from backend.accounts.actions import LONGEST_DAYS, TooManyTokens, create_token, take_back
from backend.accounts.models import ApiToken, Notification, SecondFactor, User
from backend.accounts.notifications import mark_read
from backend.accounts.session import NEVER_KEPT, InPerson, SignedIn, person

logger = logging.getLogger(__name__)
T = TypeVar("T")
MOST_SHOWN = 50


class Anyone(BasePermission):
    """For signing in, and nothing else."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return True


class ByMachine(SimpleRateThrottle):
    """Counts by the address of who asks, for each scope apart.

    The address is the one that the server itself saw (the proxy's word is taken by uvicorn, from
    the proxy alone): a header that the caller may write would let it count from nought each time.
    """

    def get_cache_key(self, request: Request, view: APIView) -> str:
        return f"{self.scope}:{request.META.get('REMOTE_ADDR', '')}"


class FailedSignIns(ByMachine):
    """Counts attempts; a success wipes the slate."""

    scope = "sign_in"

    def forget(self, request: Request, view: APIView) -> None:
        self.cache.delete(self.get_cache_key(request, view))


class Credentials(serializers.Serializer[Any]):
    username = serializers.CharField(max_length=150)
    password = serializers.CharField(max_length=500, trim_whitespace=False)
    code = serializers.CharField(
        max_length=20, default="", allow_blank=True,
        help_text="of the second factor, where it is on; without it the answer has `needs_code`",
    )  # fmt: skip


class Person(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    username = serializers.CharField()
    name = serializers.CharField(source="display_name")
    is_admin = serializers.BooleanField(source="is_superuser")


class SessionAnswer(serializers.Serializer[Any]):
    user = Person(allow_null=True)


@method_decorator(csrf_protect, name="dispatch")
class Session(APIView):
    """Who am I; sign in; sign out."""

    permission_classes = [Anyone]

    def get_throttles(self) -> list[BaseThrottle]:
        return [FailedSignIns()] if self.request.method == "POST" else []

    @extend_schema(responses=SessionAnswer)
    def get(self, request: Request) -> Response:
        get_token(request)  # sets the csrftoken cookie
        return Response(answer(request.user))

    @extend_schema(request=Credentials, responses=SessionAnswer)
    def post(self, request: Request) -> Response:
        given = Credentials(data=request.data)
        given.is_valid(raise_exception=True)
        code = given.validated_data.pop("code")
        user = authenticate(request, **given.validated_data)
        if not isinstance(user, User):
            logger.warning("a sign-in failed from %s", request.META.get("REMOTE_ADDR"))
            return Response({"detail": "this name and password do not match an account"}, 400)
        if second_factor.is_on(user):
            if not code:
                words = "give the code of your second factor, too"
                return Response({"detail": words, "needs_code": True}, 400)
            try:
                second_factor.check(user, code)
            except second_factor.WrongCode as error:
                logger.warning("a code failed from %s", request.META.get("REMOTE_ADDR"))
                return Response({"detail": str(error), "needs_code": True}, 400)
        login(request, user)  # a new session key and a new CSRF token
        FailedSignIns().forget(request, self)
        return Response(answer(user))

    @extend_schema(responses={204: None})
    def delete(self, request: Request) -> Response:
        logout(request)
        return Response(status=204)


class SecondFactorAnswer(serializers.Serializer[Any]):
    is_on = serializers.BooleanField()
    recovery_left = serializers.IntegerField(help_text="recovery codes that were not used")


class NewSecondFactor(serializers.Serializer[Any]):
    secret = serializers.CharField()
    address = serializers.CharField(help_text="for apps: otpauth://")
    picture = serializers.CharField(help_text="the address as a QR code, a data URI of an SVG")


class Code(serializers.Serializer[Any]):
    code = serializers.CharField(max_length=20)


class RecoveryCodes(serializers.Serializer[Any]):
    recovery = serializers.ListField(child=serializers.CharField())


class SecondFactorPage(APIView):
    """The caller's own one-time codes."""

    permission_classes = [InPerson]

    @extend_schema(responses=SecondFactorAnswer)
    def get(self, request: Request) -> Response:
        row = SecondFactor.objects.filter(user=person(request), is_on=True).first()
        return Response(
            {"is_on": row is not None, "recovery_left": len(row.recovery) if row else 0}
        )

    @extend_schema(request=None, responses={201: NewSecondFactor})
    def post(self, request: Request) -> Response:
        """A secret for an app; it counts when a code of it has been PUT."""
        row = _in_words(lambda: second_factor.begin(person(request)))
        shown = {
            "secret": row.secret,
            "address": second_factor.address_of(row),
            "picture": second_factor.picture_of(row),
        }
        return Response(shown, status=201, headers=NEVER_KEPT)

    @extend_schema(request=Code, responses=RecoveryCodes)
    def put(self, request: Request) -> Response:
        """From now on each sign-in asks for a code. The answer is told once."""
        codes = _in_words(lambda: second_factor.switch_on(person(request), _code(request)))
        return Response({"recovery": codes}, headers=NEVER_KEPT)

    @extend_schema(parameters=[OpenApiParameter("code", str, required=True)], responses={204: None})
    def delete(self, request: Request) -> Response:
        """Off again, with a code."""
        given = Code(data=request.query_params)
        given.is_valid(raise_exception=True)
        code = given.validated_data["code"]
        _in_words(lambda: second_factor.switch_off(person(request), code))
        return Response(status=204)


def _code(request: Request) -> str:
    given = Code(data=request.data)
    given.is_valid(raise_exception=True)
    return str(given.validated_data["code"])


def _in_words(action: Callable[[], T]) -> T:
    try:
        return action()
    except second_factor.WrongCode as error:
        raise serializers.ValidationError({"code": [str(error)]}) from error


class TokenAnswer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    scope = serializers.ChoiceField(ApiToken.Scope.choices)
    hint = serializers.CharField(help_text="its last four characters")
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField(allow_null=True)


class NewToken(TokenAnswer):
    token = serializers.CharField(help_text="the token itself: it is not told again")


class TokenWish(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=60, help_text="what it is for")
    scope = serializers.ChoiceField(ApiToken.Scope.choices, default=ApiToken.Scope.READ)
    days = serializers.IntegerField(min_value=1, max_value=LONGEST_DAYS, default=90)


class Tokens(APIView):
    """The caller's own tokens."""

    permission_classes = [InPerson]

    @extend_schema(responses=TokenAnswer(many=True))
    def get(self, request: Request) -> Response:
        return Response(TokenAnswer(person(request).api_tokens.all(), many=True).data)

    @extend_schema(request=TokenWish, responses={201: NewToken})
    def post(self, request: Request) -> Response:
        wish = TokenWish(data=request.data)
        wish.is_valid(raise_exception=True)
        try:
            row, secret = create_token(person(request), **wish.validated_data)
        except TooManyTokens as error:
            raise serializers.ValidationError({"name": [str(error)]}) from error
        answered = {**TokenAnswer(row).data, "token": secret}
        return Response(answered, status=201, headers=NEVER_KEPT)


class OneToken(APIView):
    permission_classes = [InPerson]

    @extend_schema(responses={204: None})
    def delete(self, request: Request, token_id: int) -> Response:
        """Take a token back: what uses it is refused from now on."""
        take_back(get_object_or_404(person(request).api_tokens, pk=token_id))
        return Response(status=204)


class NotificationAnswer(serializers.ModelSerializer[Notification]):
    class Meta:
        model = Notification
        fields = ["id", "kind", "text", "address", "at", "read_at"]


class NotificationsAnswer(serializers.Serializer[Any]):
    unread = serializers.IntegerField()
    notifications = NotificationAnswer(many=True)


class ReadWish(serializers.Serializer[Any]):
    ids = serializers.ListField(
        child=serializers.IntegerField(), required=False, max_length=1000,
        help_text="left out: all of them",
    )  # fmt: skip


class Notifications(APIView):
    """What happened to the caller's work, the latest first."""

    permission_classes = [SignedIn]

    @extend_schema(responses=NotificationsAnswer)
    def get(self, request: Request) -> Response:
        return Response(self._shown(person(request)))

    @extend_schema(request=ReadWish, responses=NotificationsAnswer)
    def post(self, request: Request) -> Response:
        """They were read."""
        wish = ReadWish(data=request.data)
        wish.is_valid(raise_exception=True)
        mark_read(person(request), wish.validated_data.get("ids"))
        return Response(self._shown(person(request)))

    def _shown(self, user: User) -> dict[str, Any]:
        mine = user.notifications
        return {
            "unread": mine.filter(read_at=None).count(),
            "notifications": NotificationAnswer(mine.all()[:MOST_SHOWN], many=True).data,
        }


def answer(user: Any) -> dict[str, Any]:
    known = isinstance(user, User) and not isinstance(user, AnonymousUser)
    return {"user": Person(user).data if known else None}
