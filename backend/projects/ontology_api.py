"""A project's classes over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from backend.accounts.session import person
from backend.projects import ontology
from backend.projects.models import LabelClass, Project
from backend.projects.permissions import SignedIn
from backend.projects.queries import label_class_record, project_for


class LabelClassAnswer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    colour = serializers.CharField(help_text="#rrggbb")
    is_stuff = serializers.BooleanField()
    position = serializers.IntegerField()
    # Declared fields are no attributes of a serializer: its own `parent` is another one.
    parent = serializers.IntegerField(  # type: ignore[assignment]
        allow_null=True, help_text="what it is a kind of"
    )
    hint = serializers.CharField(help_text="when to choose it")
    longest_m = serializers.FloatField(allow_null=True, help_text="an object of it can be")
    is_archived = serializers.BooleanField(help_text="no new objects of it")


class ClassWish(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=60)
    colour = serializers.RegexField(
        r"^#[0-9a-f]{6}\Z", required=False, help_text="#rrggbb; left out: one that is free"
    )
    is_stuff = serializers.BooleanField(required=False)
    parent = serializers.IntegerField(  # type: ignore[assignment]
        required=False, allow_null=True
    )
    hint = serializers.CharField(required=False, allow_blank=True, max_length=200)
    longest_m = serializers.FloatField(
        required=False, allow_null=True, min_value=0.01, max_value=1000
    )


class ClassChange(ClassWish):
    """What is left out stays as it is."""

    name = serializers.CharField(max_length=60, required=False)
    is_archived = serializers.BooleanField(required=False)


class Order(serializers.Serializer[Any]):
    classes = serializers.ListField(child=serializers.IntegerField(), max_length=1000)


class VersionAnswer(serializers.Serializer[Any]):
    number = serializers.IntegerField()
    classes = LabelClassAnswer(many=True)
    by = serializers.CharField(allow_null=True)
    at = serializers.DateTimeField()


class CannotChange(APIException):
    status_code = 409


class Classes(APIView):
    permission_classes = [SignedIn]

    @extend_schema(responses=LabelClassAnswer(many=True))
    def get(self, request: Request, project_id: int) -> Response:
        return _all(project_for(request.user, project_id, "view"))

    @extend_schema(request=ClassWish, responses={201: LabelClassAnswer})
    def post(self, request: Request, project_id: int) -> Response:
        project = project_for(request.user, project_id, "configure")
        wish = ClassWish(data=request.data)
        wish.is_valid(raise_exception=True)
        with _in_words():
            made = ontology.add_class(project, by=person(request), **wish.validated_data)
        return Response(label_class_record(made).model_dump(), status=201)

    @extend_schema(request=Order, responses=LabelClassAnswer(many=True))
    def put(self, request: Request, project_id: int) -> Response:
        """All of them in a new order; the first nine have the keys 1 to 9."""
        project = project_for(request.user, project_id, "configure")
        wish = Order(data=request.data)
        wish.is_valid(raise_exception=True)
        with _in_words():
            ontology.order_classes(project, wish.validated_data["classes"], by=person(request))
        return _all(project)


class OneClass(APIView):
    permission_classes = [SignedIn]

    @extend_schema(request=ClassChange, responses=LabelClassAnswer)
    def patch(self, request: Request, project_id: int, class_id: int) -> Response:
        found = self._found(request, project_id, class_id)
        wish = ClassChange(data=request.data)
        wish.is_valid(raise_exception=True)
        with _in_words():
            changed = ontology.change_class(found, by=person(request), **wish.validated_data)
        return Response(label_class_record(changed).model_dump())

    @extend_schema(responses={204: None})
    def delete(self, request: Request, project_id: int, class_id: int) -> Response:
        """Only while no object has it, nor ever had: archive it otherwise."""
        found = self._found(request, project_id, class_id)
        with _in_words():
            ontology.remove_class(found, by=person(request))
        return Response(status=204)

    def _found(self, request: Request, project_id: int, class_id: int) -> LabelClass:
        project = project_for(request.user, project_id, "configure")
        return get_object_or_404(project.label_classes, pk=class_id)


class Versions(APIView):
    """What the classes were after each change, the latest first."""

    permission_classes = [SignedIn]

    @extend_schema(responses=VersionAnswer(many=True))
    def get(self, request: Request, project_id: int) -> Response:
        project = project_for(request.user, project_id, "view")
        return Response(
            [
                {
                    "number": version.number, "classes": version.classes, "at": version.at,
                    "by": version.by.display_name if version.by else None,
                }
                for version in project.ontologies.select_related("by")[:100]
            ]
        )  # fmt: skip


def _all(project: Project) -> Response:
    return Response([label_class_record(row).model_dump() for row in project.label_classes.all()])


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except ontology.BadOntology as error:
        raise CannotChange(str(error)) from error
