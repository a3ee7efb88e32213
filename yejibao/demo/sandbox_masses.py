"""企业群发 in `/sandbox/`: what HQ asks a guide to send, and that she confirms it, as in the platform's own client.

The platform never sends by itself: until she taps, nobody gets anything.
"""

import secrets
from datetime import UTC, datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from crm.members.models import FriendLink
from yejibao.core import access, clock, hx
from yejibao.core.errors import Conflict
from yejibao.wecom.mass import queries
from yejibao.wecom.mass.services import plan_message
from yejibao.wecom.mass.steps import go_on

from . import stand_in as control
from .sandbox_holder import need_person, only_with_stand_in

SENT_TO = 200


@never_cache
@require_http_methods(["GET", "POST"])
@access.anonymous("confirming group sends in the stand-in; without one it answers 404")
@only_with_stand_in
def masses(request: HttpRequest) -> HttpResponse:
    """What waits for the chosen person's tap; POST sends one of them, or plans one to her friends to try it with."""
    person = need_person(request)
    if request.method == "POST":
        if number := request.POST.get("id", "")[:128]:
            got = control.call("POST", "masses/confirm", body={"id": number, "userid": person.wecom_user_id})
            hx.flash(request, f"发给了 {got['reached']} 位客户")
        else:
            _try_one(person, request.POST.get("text", "").strip())
            hx.flash(request, "总部请你发一条，几秒后在下面确认")
        return redirect(request.path)
    rows: list[dict[str, Any]] = control.call("GET", "masses", query={"userid": person.wecom_user_id})["masses"]
    for row in rows:
        row["at"] = datetime.fromtimestamp(row["at"], UTC)
    ours = queries.newest_of(person.wecom_user_id)
    return render(request, "sandbox/masses.html", {"person": person, "rows": rows, "ours": ours})


def _try_one(person: Any, text: str) -> None:
    friends = FriendLink.objects.filter(guide=person).exclude(state__in=FriendLink.LOST).order_by("pk")
    targets = list(friends.values_list("external_user_id", flat=True)[:SENT_TO])
    if not targets:
        raise Conflict(_("手上没有会员好友，换一位导购再试"))
    control.tell_world([person])
    now = clock.now()
    plan_message(
        key=f"sandbox/{secrets.token_hex(8)}", targets=targets, sender=person.wecom_user_id,
        text=text[:500] or "冬装到店了，周末来坐坐？我给您留了合身的几件。", due_at=now,
    )  # fmt: skip
    go_on(now=now, seconds=5)
