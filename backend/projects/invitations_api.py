"""Invitations over HTTP: made and taken back by managers, accepted by whoever has the link."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import login
from django.shortcuts import get_object_or_404
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import csrf_protect
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from backend.accounts.api import Anyone
from backend.accounts.session import NEVER_KEPT, person
from backend.projects import invitations
from backend.projects.models import Role
from backend.projects.permissions import GIVEN_ROLES, SignedIn
from backend.projects.queries import project_for


class InvitationAnswer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    role = serializers.ChoiceField(choices=Role.choices)
    note = serializers.CharField(help_text="for whom, in the inviter's words")
    by = serializers.CharField(allow_null=True)
    expires_at = serializers.DateTimeField()


class NewInvitation(InvitationAnswer):
    secret = serializers.CharField(help_text="of the link /invited#SECRET: it is not told again")


class InvitationWish(serializers.Serializer[Any]):
    role = serializers.ChoiceField(choices=GIVEN_ROLES)
    note = serializers.CharField(max_length=100, default="", allow_blank=True)


class Secret(serializers.Serializer[Any]):
    secret = serializers.CharField(max_length=200)


class Acceptance(Secret):
    username = serializers.CharField(max_length=150)
    name = serializers.CharField(max_length=300, default="", allow_blank=True)
    password = serializers.CharField(max_length=1000, trim_whitespace=False)


class Offer(serializers.Serializer[Any]):
    project = serializers.CharField()
    role = serializers.CharField()
    by = serializers.CharField(allow_null=True)


class Accepted(serializers.Serializer[Any]):
    project = serializers.IntegerField()


class Invitations(APIView):
    """Links that nobody has used yet."""

    permission_classes = [SignedIn]

    @extend_schema(responses=InvitationAnswer(many=True))
    def get(self, request: Request, project_id: int) -> Response:
        project = project_for(request.user, project_id, "configure")
        open_ones = project.invitations.filter(accepted_at=None).select_related("by")
        return Response([_shown(row) for row in open_ones])

    @extend_schema(request=InvitationWish, responses={201: NewInvitation})
    def post(self, request: Request, project_id: int) -> Response:
        """Make a link for somebody who has no account; it is used once, and lasts two weeks."""
        project = project_for(request.user, project_id, "configure")
        wish = InvitationWish(data=request.data)
        wish.is_valid(raise_exception=True)
        row, secret = invitations.invite(project, by=person(request), **wish.validated_data)
        return Response({**_shown(row), "secret": secret}, status=201, headers=NEVER_KEPT)


class OneInvitation(APIView):
    permission_classes = [SignedIn]

    @extend_schema(responses={204: None})
    def delete(self, request: Request, project_id: int, invitation_id: int) -> Response:
        project = project_for(request.user, project_id, "configure")
        row = get_object_or_404(project.invitations.filter(accepted_at=None), pk=invitation_id)
        invitations.take_back(row, by=person(request))
        return Response(status=204)


@method_decorator(csrf_protect, name="dispatch")
class Look(APIView):
    """What a link invites to. The secret is in the body, so that no log of addresses has it."""

    permission_classes = [Anyone]

    @extend_schema(request=Secret, responses=Offer)
    def post(self, request: Request) -> Response:
        given = Secret(data=request.data)
        given.is_valid(raise_exception=True)
        row = _in_words(lambda: invitations.find(given.validated_data["secret"]))
        return Response({
            "project": row.project.name, "role": row.get_role_display(),
            "by": row.by.display_name if row.by else None,
        })  # fmt: skip


@method_decorator(csrf_protect, name="dispatch")
class Accept(APIView):
    """Make an account with a link, and sign in."""

    permission_classes = [Anyone]

    @extend_schema(request=Acceptance, responses={201: Accepted})
    def post(self, request: Request) -> Response:
        given = Acceptance(data=request.data)
        given.is_valid(raise_exception=True)
        wish = dict(given.validated_data)
        secret = wish.pop("secret")
        user, row = _in_words(lambda: invitations.accept(secret, **wish))
        login(request, user)
        return Response({"project": row.project_id}, status=201)


def _in_words(action: Any) -> Any:
    try:
        return action()
    except invitations.NotInvited as error:
        raise serializers.ValidationError({"detail": str(error)}) from error
    except invitations.BadAccount as error:
        raise serializers.ValidationError({error.field: [str(error)]}) from error


def _shown(row: Any) -> dict[str, Any]:
    return {
        "id": row.pk, "role": row.role, "note": row.note, "expires_at": row.expires_at,
        "by": row.by.display_name if row.by else None,
    }  # fmt: skip
