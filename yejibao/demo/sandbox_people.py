"""Choosing who to be in `/sandbox/`, and the platform's part of signing in: the authorize page and the QR code page."""

from typing import Any
from urllib.parse import urlencode, urlsplit

import segno
from django.conf import settings
from django.db.models import Case, Prefetch, Q, When
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from guides.org.actors import role_names
from guides.org.loading import MADE_UP
from guides.org.models import RoleAssignment, Staff
from guides.org.sign_in import sign_out
from yejibao.core import access, clock
from yejibao.core.errors import Malformed, NotFound

from . import stand_in as control
from .sandbox_holder import PERSON_COOKIE, only_with_stand_in, person_of
from .world import sign_in_table

PEOPLE_SHOWN = 300
STARTERS = "先从这几位开始"


@never_cache
@require_http_methods(["GET", "POST"])
@access.anonymous("choosing who to be in the stand-in; without one it answers 404")
@only_with_stand_in
def people(request: HttpRequest) -> HttpResponse:
    """Everybody who may sign in, by store; POST takes one. Whoever was signed in before goes."""
    if request.method == "POST":
        chosen = Staff.objects.employed().filter(wecom_user_id=request.POST.get("userid", "")[:64]).first()
        if chosen is None:
            raise NotFound(_("没有这个人"))
        if access.actor_of(request).staff_id and access.actor_of(request).staff_id != chosen.pk:
            sign_out(request, actor=access.actor_of(request))
        control.tell_world([chosen])
        response = HttpResponseRedirect(_back_to(request.POST.get("next", "")))
        response.set_signed_cookie(
            PERSON_COOKIE, chosen.wecom_user_id, httponly=True, samesite="Lax", secure=request.is_secure()
        )
        return response
    needle = request.GET.get("q", "").strip()[:32]
    groups, is_cut = _groups(needle)
    context = {"groups": groups, "is_cut": is_cut, "q": needle, "shown": PEOPLE_SHOWN, "next": request.GET.get("next", ""),
               "current": person_of(request)}  # fmt: skip
    return render(request, "sandbox/people.html", context)


def _back_to(path: str) -> str:
    """Return the sign-in round that asked who is there, or the client."""
    return path if path.startswith(reverse("demo:sandbox-authorize") + "?") else reverse("demo:sandbox")


def _groups(needle: str) -> tuple[list[dict[str, Any]], bool]:
    """Return people to start with, then HQ and regions, then by store, guides after their manager; True if there are more.

    Made-up people of a seed come last: there may be thousands, and they must not push the world's own off the page.
    """
    starters = [] if needle else [row.userid for row in sign_in_table()]
    rank = Case(
        When(wecom_user_id__in=starters, then=0), When(wecom_user_id__regex=MADE_UP, then=3),
        When(store=None, then=1), default=2,
    )  # fmt: skip
    held = RoleAssignment.objects.filter(RoleAssignment.in_force(clock.today())).order_by("pk")
    found = (
        Staff.objects.employed()
        .select_related("store", "unit")
        .prefetch_related(Prefetch("role_assignments", held, to_attr="held"))
        .annotate(rank=rank)
        .order_by("rank", "store__code", "unit__path", "pk")
    )
    if needle:
        found = found.filter(
            Q(name__contains=needle) | Q(display_name__contains=needle) | Q(wecom_user_id__contains=needle.lower())
            | Q(store__name__contains=needle)
        )  # fmt: skip
    shown = list(found[: PEOPLE_SHOWN + 1])
    names = role_names()
    groups: dict[str, list[dict[str, Any]]] = {}
    for person in shown[:PEOPLE_SHOWN]:
        roles = list(dict.fromkeys(role.role for role in person.held if role.role in names))
        if not roles:
            continue
        place = person.store.name if person.store else (person.unit.name if person.unit else "总部")
        is_starter = person.wecom_user_id in starters
        groups.setdefault(STARTERS if is_starter else place, []).append(
            {"person": person, "place": place if is_starter else "", "roles": "、".join(names[role] for role in roles), "is_guide": roles == ["guide"],
             "state": person.get_state_display() if person.state != Staff.State.ACTIVE else ""}
        )  # fmt: skip
    for place, rows in groups.items():
        rows.sort(key=lambda row: starters.index(row["person"].wecom_user_id) if place == STARTERS else row["is_guide"])
    return [{"place": place, "people": rows} for place, rows in groups.items()], len(shown) > PEOPLE_SHOWN


@never_cache
@require_GET
@access.anonymous("the platform's authorize page, played by the stand-in; without one it answers 404")
@only_with_stand_in
def authorize(request: HttpRequest) -> HttpResponse:
    """Send the browser back with a one-time code of the chosen person, as the platform does inside its client."""
    back = request.GET.get("redirect_uri", "")
    parts = urlsplit(back)
    if request.GET.get("response_type") != "code":
        raise Malformed(_("response_type 不对"))
    _must_be_ours(request, back)
    person = person_of(request)
    if person is None:
        return redirect(f"{reverse('demo:sandbox-people')}?{urlencode({'next': request.get_full_path()})}")
    code = control.call_about(person, "POST", "code", body={"userid": person.wecom_user_id})["code"]
    query = urlencode({"code": code, "state": request.GET.get("state", "")})
    return HttpResponseRedirect(f"{back}{'&' if parts.query else '?'}{query}")


def _must_be_ours(request: HttpRequest, back: str) -> None:
    parts = urlsplit(back)
    if request.GET.get("appid") != settings.WECOM_CORP_ID:
        raise Malformed(_("appid 不对"))
    if parts.scheme not in ("http", "https") or parts.netloc not in (
        request.get_host(),
        urlsplit(settings.PUBLIC_BASE_URL).netloc,
    ):
        raise Malformed(_("redirect_uri 不在这个应用的可信域名里"))


@never_cache
@require_GET
@access.anonymous("the platform's QR code page, played by the stand-in; without one it answers 404")
@only_with_stand_in
def scan_to_sign_in(request: HttpRequest) -> HttpResponse:
    """The QR code of a sign-in at the web. Nobody has a phone here: one chooses whose phone scans it."""
    if request.GET.get("login_type") != "CorpApp":
        raise Malformed(_("login_type 不对"))
    _must_be_ours(request, request.GET.get("redirect_uri", ""))
    query = {"response_type": "code", "scope": "snsapi_base"} | {
        name: request.GET.get(name, "") for name in ("appid", "redirect_uri", "state", "agentid")
    }
    onward = f"{reverse('demo:sandbox-authorize')}?{urlencode(query)}"
    groups, _is_cut = _groups("")
    current = person_of(request)
    starters = [row for group in groups if group["place"] == STARTERS for row in group["people"]]
    context = {
        "picture": segno.make(f"{settings.PUBLIC_BASE_URL}{onward}", micro=False).svg_data_uri(scale=4, border=2),
        "people": sorted(starters, key=lambda row: current is None or row["person"].pk != current.pk),
        "current": current,
        "next": onward,
    }
    return render(request, "sandbox/sign_in.html", context)
