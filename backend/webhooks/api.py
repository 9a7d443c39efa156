"""Webhooks and their deliveries, for those who configure a project."""

from __future__ import annotations

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from backend.accounts.session import NEVER_KEPT, person
from backend.projects.permissions import SignedIn
from backend.projects.queries import project_for, visible_projects
from backend.webhooks import actions
from backend.webhooks.models import Delivery, Event, Webhook
from backend.webhooks.sending import Unsendable

_CHOSEN = [choice for choice in Event.choices if choice[0] != Event.PING]
MOST_LISTED = 100


class WebhookAnswer(serializers.ModelSerializer[Webhook]):
    class Meta:
        model = Webhook
        fields = ["id", "url", "events", "is_active", "created_at"]


class NewWebhook(WebhookAnswer):
    class Meta(WebhookAnswer.Meta):
        fields = [*WebhookAnswer.Meta.fields, "secret"]


class WebhookWish(serializers.Serializer[Any]):
    url = serializers.CharField(max_length=500)
    events = serializers.ListField(
        child=serializers.ChoiceField(_CHOSEN), min_length=1, max_length=len(_CHOSEN)
    )


class WebhookChange(serializers.Serializer[Any]):
    url = serializers.CharField(max_length=500, required=False)
    events = serializers.ListField(
        child=serializers.ChoiceField(_CHOSEN), min_length=1, max_length=len(_CHOSEN),
        required=False,
    )  # fmt: skip
    is_active = serializers.BooleanField(required=False)


class DeliveryAnswer(serializers.ModelSerializer[Delivery]):
    class Meta:
        model = Delivery
        fields = [
            "id", "event", "body", "created_at", "attempts", "next_at", "delivered_at", "status",
            "error",
        ]  # fmt: skip


class Webhooks(APIView):
    permission_classes = [SignedIn]

    @extend_schema(responses=WebhookAnswer(many=True))
    def get(self, request: Request, project_id: int) -> Response:
        project = project_for(request.user, project_id, "configure")
        return Response(WebhookAnswer(project.webhooks.all(), many=True).data)

    @extend_schema(request=WebhookWish, responses={201: NewWebhook})
    def post(self, request: Request, project_id: int) -> Response:
        """The answer alone has the secret that messages are signed with."""
        project = project_for(request.user, project_id, "configure")
        wish = WebhookWish(data=request.data)
        wish.is_valid(raise_exception=True)
        try:
            made = actions.make(project, **wish.validated_data, by=person(request))
        except (Unsendable, actions.TooMany) as error:
            raise serializers.ValidationError({"url": [str(error)]}) from error
        return Response(NewWebhook(made).data, status=201, headers=NEVER_KEPT)


class OneWebhook(APIView):
    permission_classes = [SignedIn]

    @extend_schema(request=WebhookChange, responses=WebhookAnswer)
    def patch(self, request: Request, webhook_id: int) -> Response:
        webhook = webhook_for(request, webhook_id)
        wish = WebhookChange(data=request.data)
        wish.is_valid(raise_exception=True)
        try:
            changed = actions.change(webhook, by=person(request), **wish.validated_data)
        except Unsendable as error:
            raise serializers.ValidationError({"url": [str(error)]}) from error
        return Response(WebhookAnswer(changed).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, webhook_id: int) -> Response:
        actions.remove(webhook_for(request, webhook_id), by=person(request))
        return Response(status=204)


class Ping(APIView):
    """Send a trial message."""

    permission_classes = [SignedIn]

    @extend_schema(request=None, responses={201: DeliveryAnswer})
    def post(self, request: Request, webhook_id: int) -> Response:
        delivery = actions.ping(webhook_for(request, webhook_id))
        return Response(DeliveryAnswer(delivery).data, status=201)


class Deliveries(APIView):
    """The latest messages of a webhook, and what became of them."""

    permission_classes = [SignedIn]

    @extend_schema(responses=DeliveryAnswer(many=True))
    def get(self, request: Request, webhook_id: int) -> Response:
        latest = webhook_for(request, webhook_id).deliveries.all()[:MOST_LISTED]
        return Response(DeliveryAnswer(latest, many=True).data)


class Resend(APIView):
    permission_classes = [SignedIn]

    @extend_schema(request=None, responses=DeliveryAnswer)
    def post(self, request: Request, delivery_id: int) -> Response:
        """Send a message once more; it has the same id, so that a receiver can tell."""
        seen = Delivery.objects.filter(webhook__project__in=visible_projects(request.user))
        delivery = get_object_or_404(seen.select_related("webhook"), pk=delivery_id)
        project_for(request.user, delivery.webhook.project_id, "configure")
        return Response(DeliveryAnswer(actions.send_again(delivery)).data)


def webhook_for(request: Request, webhook_id: int) -> Webhook:
    seen = Webhook.objects.filter(project__in=visible_projects(request.user))
    webhook = get_object_or_404(seen, pk=webhook_id)
    project_for(request.user, webhook.project_id, "configure")
    return webhook
