"""打卡点: where a store is, how near is near, and which Wi-Fi is its own. Set by who leads it, or above; all of it is audited."""

from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from guides.org.models import Store
from yejibao.core import audit, clock
from yejibao.core.errors import Conflict, Forbidden, Invalid
from yejibao.core.scope import Actor

from . import geo
from .models import Datum, StoreFence, StoreWifi
from .scoped import PLACES, placed_stores

RADIUS_LEAST, RADIUS_MOST = 50, 1000
WIFIS_MOST = 20


class NotYourPlace(Forbidden):
    code, title = "perm.attendance.places", _("不能设这家店的打卡点")


class WifiKnown(Conflict):
    code, title = "clock.wifi_known", _("这个 Wi-Fi 已经在里面了")


def _must_be_his(store: Store, actor: Actor) -> None:
    if not actor.is_system and not Store.objects.filter(placed_stores(actor), pk=store.pk).exists():
        raise NotYourPlace(permission=PLACES)


@transaction.atomic
def set_fence(
    store: Store, *, latitude: float, longitude: float, datum: str, radius_m: int | None, actor: Actor, now: datetime
) -> StoreFence:
    """Say where a store is, in either datum, and how near counts (None: as the brand has it). Raises NotYourPlace or Invalid."""
    _must_be_his(store, actor)
    wrong = []
    if datum not in Datum.values:
        wrong.append({"field": "datum", "code": "invalid", "message": "选坐标是哪一种"})
    if not geo.is_somewhere(latitude, longitude):
        wrong.append({"field": "latitude", "code": "invalid", "message": "纬度、经度不对，像 32.041544、118.784135"})
    if radius_m is not None and not RADIUS_LEAST <= radius_m <= RADIUS_MOST:
        wrong.append(
            {"field": "radius", "code": "invalid", "message": f"半径在 {RADIUS_LEAST} 到 {RADIUS_MOST} 米之间"}
        )
    if wrong:
        raise Invalid(wrong[0]["message"], errors=wrong)
    point = geo.to_gcj02(latitude, longitude, datum=datum)
    facts = {
        "latitude": point.latitude, "longitude": point.longitude, "given_latitude": latitude, "given_longitude": longitude,
        "given_datum": datum, "radius_m": radius_m, "set_by_id": actor.staff_id, "set_at": now,
    }  # fmt: skip
    Store.objects.select_for_update(no_key=True).get(pk=store.pk)
    before = StoreFence.objects.filter(store=store).first()
    since = {"since": before.since if before else clock.local_day(now)}
    fence, _created = StoreFence.objects.update_or_create(store=store, defaults=facts | since)
    audit.record(actor, "attendance.fence_set", store, before=_said(before), after=_said(fence))
    return fence


def _said(fence: StoreFence | None) -> dict[str, object] | None:
    """Return a place as the audit keeps it: a store's, so nothing of a person."""
    if fence is None:
        return None
    return {
        "point": f"{fence.given_latitude:.6f},{fence.given_longitude:.6f}", "datum": fence.given_datum, "radius_m": fence.radius_m,
    }  # fmt: skip


@transaction.atomic
def add_wifi(store: Store, *, bssid: str, label: str, actor: Actor, now: datetime) -> StoreWifi:
    """Add a Wi-Fi station of a store. Raises NotYourPlace, Invalid or WifiKnown."""
    _must_be_his(store, actor)
    station = geo.normal_bssid(bssid)
    if not station:
        raise Invalid(
            _("这不是 Wi-Fi 的 MAC 地址"),
            errors=[{"field": "bssid", "code": "invalid", "message": "像 00:1a:2b:3c:4d:5e 这样的 12 位"}],
        )
    if StoreWifi.objects.filter(store=store).count() >= WIFIS_MOST:
        raise Conflict(_("一家店最多 %(most)d 个 Wi-Fi") % {"most": WIFIS_MOST})
    try:
        with transaction.atomic():
            row = StoreWifi.objects.create(
                store=store, bssid=station, label=label.strip()[:32], set_by_id=actor.staff_id, set_at=now
            )
    except IntegrityError:
        raise WifiKnown() from None
    audit.record(actor, "attendance.wifi_added", store, after={"bssid": station, "label": row.label})
    return row


@transaction.atomic
def drop_wifi(wifi: StoreWifi, *, actor: Actor) -> None:
    """Take a Wi-Fi station away. Again is the same."""
    _must_be_his(wifi.store, actor)
    if StoreWifi.objects.filter(pk=wifi.pk).delete()[0]:
        audit.record(actor, "attendance.wifi_dropped", wifi.store, before={"bssid": wifi.bssid, "label": wifi.label})
