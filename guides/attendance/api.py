"""Rest days and shifts of one's people."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from guides.org.models import Staff
from yejibao.core import clock
from yejibao.core.access import Roles

from .models import Shift
from .services import set_rest_days, set_shift


class ShiftIn(serializers.Serializer[Any]):
    day = serializers.DateField()
    kind = serializers.ChoiceField(choices=Shift.Kind.choices)


class RestDaysIn(serializers.Serializer[Any]):
    days = serializers.ListField(child=serializers.DateField(), min_length=1, max_length=62)


class ShiftOut(serializers.ModelSerializer[Shift]):
    class Meta:
        model = Shift
        fields = ("staff_id", "day", "kind")


class RosterViewSet(GenericViewSet[Any]):
    """排班: the store manager's, and for the manager's own days the supervisor's."""

    queryset = Staff.objects.all()
    serializer_class = ShiftOut
    access = Roles(roles=("store_manager", "area_supervisor"))

    def get_queryset(self) -> QuerySet[Any]:
        if getattr(self, "swagger_fake_view", False):
            return Staff.objects.none()
        return Staff.objects.answering_to(self.request.actor)  # type: ignore[attr-defined]

    @extend_schema(request=ShiftIn, responses=ShiftOut, summary="排一天的班")
    @action(detail=True, methods=["post"])
    def shift(self, request: Request, pk: str | None = None) -> Response:
        person = self.get_object()
        form = ShiftIn(data=request.data)
        form.is_valid(raise_exception=True)
        row = set_shift(person, actor=request.actor, now=clock.now(), **form.validated_data)  # type: ignore[attr-defined]
        return Response(ShiftOut(row).data)

    @extend_schema(request=RestDaysIn, responses=ShiftOut(many=True), summary="排休息日")
    @action(detail=True, methods=["post"], url_path="rest-days")
    def rest_days(self, request: Request, pk: str | None = None) -> Response:
        person = self.get_object()
        form = RestDaysIn(data=request.data)
        form.is_valid(raise_exception=True)
        days = form.validated_data["days"]
        set_rest_days(person, days=days, actor=request.actor, now=clock.now())  # type: ignore[attr-defined]
        rows = Shift.objects.filter(staff=person, day__in=days).order_by("day")
        return Response(ShiftOut(rows, many=True).data)
