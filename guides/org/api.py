"""The base of all endpoints that show business data, and those of this room."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.generics import get_object_or_404
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from yejibao.core import clock
from yejibao.core.access import Permission, Rule, SignedIn
from yejibao.core.scope import Actor

from .actors import role_names
from .models import OrgUnit, Staff, Store
from .services import move_unit, resign_staff
from .sign_in import home_of


class Pages(CursorPagination):
    """Long lists page by cursor, newest first unless the view says otherwise."""

    ordering: Any = "-pk"
    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 200


class ScopedViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, GenericViewSet[Any]):
    """Reads through `visible_to`: what the actor may not see answers 404, like what does not exist.

    A subclass sets `queryset`, `serializer_class` and `access`; other verbs are POST actions that call one service.
    """

    pagination_class = Pages

    @property
    def actor(self) -> Actor:
        actor: Actor = self.request.actor  # type: ignore[attr-defined]
        return actor

    def get_queryset(self) -> QuerySet[Any]:
        rows: Any = super().get_queryset()
        if getattr(self, "swagger_fake_view", False):  # the schema asks without a person
            return rows.none()
        return rows.visible_to(self.actor)


# ---------------------------------------------------------------- who am I


class RoleOut(serializers.Serializer[Any]):
    key = serializers.CharField()
    name = serializers.CharField()


class MeOut(serializers.Serializer[Any]):
    """Who is signed in here."""

    staff_id = serializers.IntegerField()
    name = serializers.CharField()
    display_name = serializers.CharField()
    store_id = serializers.IntegerField(allow_null=True)
    store_name = serializers.CharField(allow_blank=True)
    working_role = serializers.CharField()
    roles = RoleOut(many=True)
    permissions = serializers.ListField(child=serializers.CharField())
    home = serializers.CharField()


class MeView(APIView):
    access = SignedIn()

    @extend_schema(responses=MeOut, summary="当前登录的人")
    def get(self, request: Request) -> Response:
        actor: Actor = request.actor  # type: ignore[attr-defined]
        held = dict.fromkeys(grant.role for grant in actor.grants)
        facts = {
            "staff_id": actor.staff_id,
            "name": actor.name,
            "display_name": actor.display_name,
            "store_id": actor.store_id,
            "store_name": actor.store_name,
            "working_role": actor.working_role,
            "roles": [{"key": key, "name": role_names()[key]} for key in held],
            "permissions": sorted(actor.permissions),
            "home": home_of(actor),
        }
        return Response(MeOut(facts).data)


# ---------------------------------------------------------------- stores, people, units


class StoreOut(serializers.ModelSerializer[Store]):
    class Meta:
        model = Store
        fields = ("id", "code", "name", "short_name", "kind", "grade", "city", "opens_at", "closes_at", "closed_on")


class StoreViewSet(ScopedViewSet):
    queryset = Store.objects.all()
    serializer_class = StoreOut
    access = SignedIn()


class StaffOut(serializers.ModelSerializer[Staff]):
    """A colleague; no phone, no password."""

    store_name = serializers.CharField(source="store.short_name", default="")

    class Meta:
        model = Staff
        fields = ("id", "name", "display_name", "state", "store_id", "store_name", "backup_guide_id", "joined_on")


class ResignIn(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=255, required=False, allow_blank=True, default="")


class StaffViewSet(ScopedViewSet):
    queryset = Staff.objects.select_related("store").defer("phone", "password")
    serializer_class = StaffOut
    access: ClassVar[dict[str, Rule]] = {
        "*": SignedIn(),
        "resign": Permission(permission="account.manage"),
    }

    @extend_schema(request=ResignIn, responses=StaffOut, summary="办理离职")
    @action(detail=True, methods=["post"])
    def resign(self, request: Request, pk: str | None = None) -> Response:
        person = self.get_object()
        form = ResignIn(data=request.data)
        form.is_valid(raise_exception=True)
        return Response(StaffOut(resign_staff(person, actor=self.actor, now=clock.now(), **form.validated_data)).data)


class UnitOut(serializers.ModelSerializer[OrgUnit]):
    class Meta:
        model = OrgUnit
        fields = ("id", "level", "code", "name", "parent_id", "path", "valid_from", "valid_to")


class MoveIn(serializers.Serializer[Any]):
    to = serializers.IntegerField(min_value=1, max_value=2**63 - 1)
    reason = serializers.CharField(max_length=255)


class UnitViewSet(ScopedViewSet):
    queryset = OrgUnit.objects.all()
    serializer_class = UnitOut
    access: ClassVar[dict[str, Rule]] = {
        "*": SignedIn(),
        "move": Permission(permission="account.manage"),
    }

    @extend_schema(request=MoveIn, responses=UnitOut, summary="调整上级组织")
    @action(detail=True, methods=["post"])
    def move(self, request: Request, pk: str | None = None) -> Response:
        unit = self.get_object()
        form = MoveIn(data=request.data)
        form.is_valid(raise_exception=True)
        to = get_object_or_404(self.get_queryset(), pk=form.validated_data["to"])
        moved = move_unit(unit, to=to, actor=self.actor, reason=form.validated_data["reason"], now=clock.now())
        return Response(UnitOut(moved).data)
