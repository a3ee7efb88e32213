"""The walk through the routes catches a hole of each kind: each is planted here as a route of its own, and is found."""

import io
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import xlsxwriter
from django.http import FileResponse, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404
from django.urls import get_resolver
from django.urls import path as url_path

from crm.friends.models import ContactWay
from crm.members.models import Member
from crm.orders.models import Order
from guides.org.models import RoleAssignment
from tests.walk.browser import install_spies
from tests.walk.holes import Hole, id_holes, name_holes
from tests.walk.urlconf import routes
from tests.walk.world import FOREIGN, Company, Rows, company, own_rows
from yejibao.core import access, hx
from yejibao.core.errors import NotFound

pytestmark = pytest.mark.django_db


# ---------------------------------------------------------------- the holes


@access.signed_in
def any_order(request: HttpRequest, pk: int) -> HttpResponse:
    return JsonResponse({"number": get_object_or_404(Order, pk=pk).number})


@access.signed_in
def order_of_member(request: HttpRequest, public_id: str, pk: int) -> HttpResponse:
    """The parent is asked, the child is not."""
    get_object_or_404(Member.objects.visible_to(access.actor_of(request)), public_id=public_id)
    return JsonResponse({"number": get_object_or_404(Order, pk=pk).number})


@access.signed_in
def picture(request: HttpRequest, pk: int) -> FileResponse:
    return FileResponse(io.BytesIO(bytes(get_object_or_404(ContactWay, pk=pk).picture or b"")))


@access.signed_in
def sorted_members(request: HttpRequest) -> HttpResponse:
    rows = Member.objects.visible_to(access.actor_of(request)).order_by(request.GET.get("sort", "pk"))
    return JsonResponse({"rows": [row.member_no for row in rows]})


@access.signed_in
def filtered_members(request: HttpRequest) -> HttpResponse:
    guide = request.GET.get("guide", "")
    rows = Member.objects.filter(owner_guide_id=guide) if guide.isdecimal() else Member.objects.none()
    return JsonResponse({"rows": [row.name for row in rows]})


@access.signed_in
def make_me(request: HttpRequest) -> HttpResponse:
    """Takes the role from the body."""
    if role := request.POST.get("role"):
        RoleAssignment.objects.filter(staff_id=access.actor_of(request).staff_id).update(role=role)
    return HttpResponse()


@access.signed_in
def give_away(request: HttpRequest, pk: int) -> HttpResponse:
    """Takes the owner from the body."""
    member = get_object_or_404(Member.objects.visible_to(access.actor_of(request)), pk=pk)
    Member.objects.filter(pk=member.pk).update(owner_guide_id=int(request.POST.get("owner_guide", "0") or 0) or None)
    return HttpResponse()


@access.signed_in
def sheet_of_store(request: HttpRequest) -> HttpResponse:
    store = request.GET.get("store", "")
    rows = Member.objects.filter(main_store_id=store) if store.isdecimal() else Member.objects.none()
    book = xlsxwriter.Workbook(content := io.BytesIO())
    book.add_worksheet().write_column(0, 0, [row.name for row in rows])
    book.close()
    return HttpResponse(content.getvalue())


@access.signed_in
def fragment_only(request: HttpRequest) -> HttpResponse:
    """The page asks, the fragment forgot to."""
    wanted = request.GET.get("member", "")
    rows = Member.objects.filter(pk=wanted) if wanted.isdecimal() else Member.objects.none()
    if request.headers.get("HX-Request") != "true":
        rows = rows & Member.objects.visible_to(access.actor_of(request))
        if wanted and not rows:
            raise NotFound()
    return HttpResponse("".join(f"<li>{row.name}</li>" for row in rows))


@access.signed_in
def member_part(request: HttpRequest, pk: int) -> HttpResponse:
    """The same of one member, by the path."""
    rows = Member.objects.all() if hx.is_htmx(request) else Member.objects.visible_to(access.actor_of(request))
    return HttpResponse(f"<li>{get_object_or_404(rows, pk=pk).name}</li>")


# ---------------------------------------------------------------- and the walk


class Walk:
    """The guide's walk through planted routes alone."""

    def __init__(self, made: Company, own: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
        self.person, self.foreign, self.own, self.monkeypatch = made.org.guide, made.foreign, own, monkeypatch
        install_spies(monkeypatch)

    def plant(self, route: str, view: Callable[..., Any]) -> list[Any]:
        resolver = get_resolver()
        added = [url_path(route, view), *resolver.url_patterns]
        self.monkeypatch.setitem(resolver.__dict__, "url_patterns", added)
        return [one for one in routes() if one.template.startswith("/odd/")]

    def by_id(self, route: str, view: Callable[..., Any]) -> list[Hole]:
        return id_holes(self.person, [self.own, self.foreign], self.plant(route, view), fragments=True)

    def by_name(self, route: str, view: Callable[..., Any]) -> list[Hole]:
        return name_holes(self.person, self.own, self.foreign, self.plant(route, view))


@pytest.fixture(scope="module")
def built(django_db_setup: None, django_db_blocker: Any) -> Iterator[tuple[Company, Rows]]:
    with django_db_blocker.unblock(), company() as made:
        yield made, own_rows(made.org.guide, made.org)


@pytest.fixture
def walk(built: tuple[Company, Rows], monkeypatch: pytest.MonkeyPatch) -> Walk:
    return Walk(*built, monkeypatch)


def test_a_foreign_id(walk: Walk) -> None:
    holes = walk.by_id("odd/orders/<int:pk>/", any_order)
    assert {(hole.method, hole.path) for hole in holes} >= {("GET", f"/odd/orders/{FOREIGN}/")}


def test_a_sub_object_under_ones_own_parent(walk: Walk) -> None:
    holes = walk.by_id("odd/members/<uuid:public_id>/orders/<int:pk>/", order_of_member)
    own = walk.own.of(Member)
    assert any(hole.path == f"/odd/members/{own.public_id}/orders/{FOREIGN}/" for hole in holes)  # type: ignore[union-attr]


def test_a_file(walk: Walk) -> None:
    assert any(f"/{FOREIGN}/" in hole.path for hole in walk.by_id("odd/codes/<int:pk>/", picture))


def test_a_sort_parameter(walk: Walk) -> None:
    assert [hole.what for hole in walk.by_name("odd/sorted/", sorted_members) if "sort=no_such" in hole.path] == ["500"]


def test_a_filter_parameter(walk: Walk) -> None:
    assert any("guide=" in hole.path for hole in walk.by_name("odd/filtered/", filtered_members))


def test_a_role_in_the_body(walk: Walk) -> None:
    assert any("his own roles" in hole.what for hole in walk.by_name("odd/me/", make_me))


def test_an_owner_in_the_body(walk: Walk) -> None:
    holes = walk.by_name("odd/members/<int:pk>/owner/", give_away)
    assert any("writes a foreign id into crm_member" in hole.what for hole in holes)


def test_an_export(walk: Walk) -> None:
    assert any("store=" in hole.path for hole in walk.by_name("odd/sheet/", sheet_of_store))


def test_a_fragment_for_htmx(walk: Walk) -> None:
    holes = walk.by_name("odd/part/", fragment_only)
    assert holes and all("member=" in hole.path for hole in holes)


def test_a_fragment_of_one_row(walk: Walk) -> None:
    holes = walk.by_id("odd/members/<int:pk>/part/", member_part)
    assert {(hole.kind, hole.path) for hole in holes} == {("fragment", f"/odd/members/{FOREIGN}/part/")}
