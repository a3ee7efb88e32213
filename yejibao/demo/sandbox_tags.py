"""Tagging a customer by hand in `/sandbox/`: the guide opens his profile and puts a company tag on or takes it off.

As in the real client it is the platform that changes, and the platform that tells the product.
"""

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from crm.members.models import FriendLink
from yejibao.core import access
from yejibao.core.errors import NotFound

from . import stand_in as control
from .sandbox_holder import need_person, only_with_stand_in, read_body


@never_cache
@require_http_methods(["GET", "POST"])
@access.anonymous("company tags in the stand-in's client; without one it answers 404")
@only_with_stand_in
def tags(request: HttpRequest) -> HttpResponse:
    """Return all groups with what this customer has; POST {"external", "add": [ids], "remove": [ids]} changes that."""
    person = need_person(request)
    body: dict[str, Any] = read_body(request) if request.method == "POST" else {}
    external = str(body.get("external") or request.GET.get("external", ""))[:64]
    if not FriendLink.objects.filter(guide=person, external_user_id=external).exists():
        raise NotFound()
    pair = {"userid": person.wecom_user_id, "external_userid": external}
    if request.method == "POST":
        change = {name: _ids(body.get(name)) for name in ("add", "remove")}
        control.call_about(person, "POST", "tags/mark", body=pair | change)
    found = control.call_about(person, "GET", "tags", query=pair)
    marked = set(found["marked"])
    groups = [
        {"name": group["group_name"],
         "tags": [{"id": tag["id"], "name": tag["name"], "on": tag["id"] in marked} for tag in group["tag"]]}
        for group in found["tag_group"]
    ]  # fmt: skip
    return JsonResponse({"groups": groups})


def _ids(value: Any) -> list[str]:
    return [str(one)[:64] for one in value[:100]] if isinstance(value, list) else []
