"""What the company does with its people, in `/sandbox/`: the guide who is chosen resigns, or works in another store from now on."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from guides.org.models import Staff, Store
from guides.org.moving import transfer_staff
from yejibao.core import access, clock
from yejibao.core.errors import Conflict, Invalid

from . import stand_in as control
from .sandbox_holder import need_person, only_with_stand_in, read_body
from .sandbox_moving import HEAD_OFFICE, may_go

LEFT = 5


def _need_guide(request: HttpRequest) -> Staff:
    person = need_person(request)
    if not may_go(person):
        raise Conflict(_("换成门店的导购再试"))
    return person


@require_POST
@access.anonymous("somebody leaves the stand-in's company; without one it answers 404")
@only_with_stand_in
def resign(request: HttpRequest) -> HttpResponse:
    """她离职: the address book has her no more, and calls the product about it as the platform does (delete_user)."""
    person = _need_guide(request)
    control.tell_world([person])
    row = {"userid": person.wecom_user_id, "status": LEFT}
    control.call("POST", "world", body={"people": [row]})
    facts = {"Event": "change_contact", "ChangeType": "delete_user", "UserID": person.wecom_user_id}
    control.call("POST", "callback", body={"facts": facts})
    said = _("%(name)s离职了。换成她的店长，「交接」里定谁来接手") % {"name": person.name}
    return JsonResponse({"said": str(said)})


@require_POST
@access.anonymous("somebody changes the store in the stand-in's company; without one it answers 404")
@only_with_stand_in
def move(request: HttpRequest) -> HttpResponse:
    """她调到…店: from now on. The address book says nothing of stores, so it is the act of those who answer for both."""
    person = _need_guide(request)
    wanted = str(read_body(request).get("store") or "")
    store = Store.objects.filter(pk=int(wanted)).first() if wanted.isdigit() and len(wanted) < 12 else None
    if store is None:
        raise Invalid(_("选一家门店"))
    now = clock.now()
    left = person.store.short_name if person.store else ""
    transfer_staff(person, to=store, starts_on=clock.local_day(now), actor=HEAD_OFFICE, now=now, reason="沙箱控制台")
    said = _("%(name)s现在在%(store)s上班。换成%(left)s的店长，「交接」里定谁来接手，谁跟她走") % {
        "name": person.name, "store": store.short_name, "left": left,
    }  # fmt: skip
    return JsonResponse({"said": str(said)})
