"""门店 on the member's phone: where to go, how long it is open, and an appointment from there."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from yejibao.core import access, clock, nav

from .places import member_of
from .stores import stores_of, with_spots

nav.add("member-tools", key="stores", label="门店", icon="map-pin", url="crm:my-stores", order=55)


@never_cache
@require_GET
@access.member
def stores(request: HttpRequest) -> HttpResponse:
    """His own first; a town or a name finds others."""
    member, query = member_of(request), request.GET.get("q", "")[:32]
    facts = {
        "stores": with_spots(stores_of(member, today=clock.today(), query=query)),
        "query": query,
        "member": member,
    }
    return render(request, "member/stores.html", facts)
