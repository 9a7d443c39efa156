"""One's mail address, and a new password by mail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import csrf_protect
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from backend.accounts import addresses, mail
from backend.accounts.api import Anyone, ByMachine
from backend.accounts.session import InPerson, person

T = TypeVar("T")


class AddressAnswer(serializers.Serializer[Any]):
    email = serializers.CharField(help_text="confirmed; empty: none")
    wants_digest = serializers.BooleanField()
    is_possible = serializers.BooleanField(help_text="this installation can send mail")


class AddressWish(serializers.Serializer[Any]):
    email = serializers.CharField(max_length=254, required=False)
    wants_digest = serializers.BooleanField(required=False)


class Secret(serializers.Serializer[Any]):
    secret = serializers.CharField(max_length=1000)


class Forgotten(serializers.Serializer[Any]):
    email = serializers.CharField(max_length=254)


class NewPassword(Secret):
    password = serializers.CharField(max_length=500, trim_whitespace=False)


class ByAddress(ByMachine):
    """What anybody may ask for, and what sends mail to others."""

    scope = "mail"


class Address(APIView):
    """The caller's own mail address."""

    permission_classes = [InPerson]

    @extend_schema(responses=AddressAnswer)
    def get(self, request: Request) -> Response:
        return self._answer(request)

    @extend_schema(request=AddressWish, responses=AddressAnswer)
    def patch(self, request: Request) -> Response:
        """A new address counts when its link was opened; an empty one is none, at once."""
        wish = AddressWish(data=request.data)
        wish.is_valid(raise_exception=True)
        me = person(request)
        email = wish.validated_data.get("email")
        if email:
            if not ByAddress().allow_request(request, self):
                raise serializers.ValidationError(
                    {"email": ["so many mails at once: try again in a few minutes"]}
                )
            _in_words(lambda: addresses.ask_for_address(me, email))
        if "wants_digest" in wish.validated_data:
            me.wants_digest = wish.validated_data["wants_digest"]
            me.save(update_fields=["wants_digest"])
        return self._answer(request)

    @extend_schema(responses={204: None})
    def delete(self, request: Request) -> Response:
        addresses.forget_address(person(request))
        return Response(status=204)

    def _answer(self, request: Request) -> Response:
        me = person(request)
        return Response({
            "email": me.email, "wants_digest": me.wants_digest, "is_possible": mail.is_possible(),
        })  # fmt: skip


@method_decorator(csrf_protect, name="dispatch")
class ConfirmAddress(APIView):
    permission_classes = [Anyone]
    throttle_classes = [ByAddress]

    @extend_schema(request=Secret, responses={204: None})
    def post(self, request: Request) -> Response:
        given = Secret(data=request.data)
        given.is_valid(raise_exception=True)
        _in_words(lambda: addresses.confirm_address(given.validated_data["secret"]))
        return Response(status=204)


@method_decorator(csrf_protect, name="dispatch")
class ForgottenPassword(APIView):
    """Answers the same whether anybody has the address or not."""

    permission_classes = [Anyone]
    throttle_classes = [ByAddress]

    @extend_schema(request=Forgotten, responses={204: None})
    def post(self, request: Request) -> Response:
        given = Forgotten(data=request.data)
        given.is_valid(raise_exception=True)
        if not mail.is_possible():
            words = "this installation has no mail server: an admin sets a new password for you"
            raise serializers.ValidationError({"email": [words]})
        addresses.ask_for_password(given.validated_data["email"].strip())
        return Response(status=204)


@method_decorator(csrf_protect, name="dispatch")
class SetPassword(APIView):
    permission_classes = [Anyone]
    throttle_classes = [ByAddress]

    @extend_schema(request=NewPassword, responses={204: None})
    def post(self, request: Request) -> Response:
        given = NewPassword(data=request.data)
        given.is_valid(raise_exception=True)
        try:
            _in_words(lambda: addresses.set_password(**given.validated_data))
        except ValidationError as error:
            raise serializers.ValidationError({"password": error.messages}) from error
        return Response(status=204)


def _in_words(action: Callable[[], T]) -> T:
    try:
        return action()
    except addresses.NotPossible as error:
        raise serializers.ValidationError({"detail": str(error)}) from error
