"""Due work for outside tests: N first touches, each of which becomes a push of its own that carries its number.

The kind is chosen so that no number can hide: a first touch (m30) is urgent, so it is told alone and at once, never in a
digest that lists eight; its card's title begins with the member's name, and the name is the number.
"""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from math import ceil
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from django.conf import settings
from django.db import connection, transaction

from crm.members.models import Member
from crm.orders.models import Order, OrderLine
from crm.privacy.loading import load_texts
from guides.org.loading import load_org, made_up_org
from guides.org.models import Staff
from tasks.cadences.enrolling import enroll_orders
from tasks.cadences.loading import load_3369
from tasks.cadences.models import CadenceVersion
from tasks.scripts.loading import load_scripts
from yejibao import house
from yejibao.core import clock
from yejibao.core.errors import Conflict

from .people import tell_sandbox
from .sandbox_control import SandboxControl

GUIDES = 500  # at least
EACH = 20  # messages a guide may get in a minute: more guides are made up rather than that a seed has to queue
STORES, AREAS, REGIONS = 100, 10, 4
SOURCE = "seed"
PATTERN = r"编号#(\d{6,})"
BATCH = 2000
SEED_LOCK = 0x59_4A_42_10  # one seed at a time: numbers run on

Place = tuple[int, int, datetime]  # a guide, her store, and the latest a first touch of today may count from


@dataclass(frozen=True)
class Seeded:
    """What was made: `first` to `last` are the numbers, found in the texts by `pattern`."""

    seeded: int
    first: int
    last: int
    guides: int
    pattern: str
    clock_offset_seconds: float
    sandbox_knows_people: bool

    def as_json(self) -> dict[str, object]:
        return asdict(self)


def platform_is_real() -> bool:
    """Tell whether pushes would leave for the real platform."""
    host = urlsplit(settings.WECOM_API_BASE).hostname or ""
    return host.endswith((".qq.com", ".weixin.com", ".wechat.com"))


def seed_due(count: int) -> Seeded:
    """Make `count` first touches due now, spread evenly over the guides; all of them or none. Raises Conflict.

    An empty, migrated database gets rules and a company first. In the night the world's clock is turned to the next
    morning, since nobody is pushed anything before.
    """
    offset = _into_daytime()
    now = clock.now()
    if not CadenceVersion.objects.filter(cadence__key="3369", state="published").exists():
        load_3369(now=now)
        load_scripts(now=now)
        load_texts(now=now)
    wanted = max(GUIDES, ceil(count / EACH))
    if len(_guides(now)) < wanted:
        people = wanted + STORES + AREAS  # the heads of stores and areas count too
        shape = {"branches": 2, "regions": REGIONS, "areas": AREAS, "stores": STORES}
        load_org(made_up_org(**shape, staff=people), now=now)
    guides = _guides(now)
    if not guides:
        raise Conflict(
            "现在所有门店都不在营业时间，到早上 09:30 才会推送；请设置 YEJIBAO_CLOCK_FILE，让时钟可以拨到白天。"
        )
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [SEED_LOCK])
        first = Order.objects.filter(source=SOURCE).count() + 1
        for start in range(first, first + count, BATCH):
            _purchases(range(start, min(start + BATCH, first + count)), guides, now)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # a world filled in one go would be planned as an empty one
    return Seeded(count, first, first + count - 1, min(len(guides), count), PATTERN, offset, _introduce())


def _into_daytime() -> float:
    """Turn the world's clock on to a moment at which people are pushed; return how many seconds it is ahead."""
    before = clock.now() - clock.system_now()
    after = house.demo_offset(clock.system_now(), before)
    if after != before and settings.CLOCK_FILE:
        Path(settings.CLOCK_FILE).parent.mkdir(parents=True, exist_ok=True)
        clock.set_shared_offset(after.total_seconds())
    return round((clock.now() - clock.system_now()).total_seconds(), 1)


def _guides(now: datetime) -> list[Place]:
    """Return the guides at work in stores that are open now."""
    today = clock.local_day(now)
    people = Staff.objects.holding("guide", day=today).filter(state="active", store__isnull=False).order_by("pk")
    found = []
    for staff, store, opens_at, closes_at in people.values_list("pk", "store", "store__opens_at", "store__closes_at"):
        latest = clock.local_moment(today, closes_at) - timedelta(minutes=35)
        if clock.local_moment(today, opens_at) <= now < latest:
            found.append((staff, store, latest))
    return found


def _purchases(numbers: range, guides: list[Place], now: datetime) -> None:
    """Make a member, his purchase and his cycle for each number; the hand of each cycle is due.

    Paid as late today as the store allows, so that the first reminder, which would carry the number a second time, is far.
    """
    known_at = now - timedelta(seconds=1)
    places = [guides[number % len(guides)] for number in numbers]
    members = Member.objects.bulk_create(
        [
            Member(
                member_no=f"SEED{number:06}", name=f"编号#{number:06}", is_test=True, owner_guide_id=guide,
                main_store_id=store, registered_at=now,
            )
            for number, (guide, store, _) in zip(numbers, places, strict=True)
        ],
        batch_size=BATCH,
    )  # fmt: skip
    orders = Order.objects.bulk_create(
        [
            Order(
                source=SOURCE, number=f"{number:06}", member=member, store_id=store, guide_id=guide, paid_at=paid_at,
                paid_on=clock.local_day(paid_at), known_at=known_at, paid_fen=128000, net_amount_fen=128000,
                content_sha=SOURCE,
            )
            for number, member, (guide, store, paid_at) in zip(numbers, members, places, strict=True)
        ],
        batch_size=BATCH,
    )  # fmt: skip
    suit = {"item_name": "藏青羊毛套西", "color": "藏青", "size": "175/92A", "care_key": "suit_wool", "family": "西服"}
    OrderLine.objects.bulk_create(
        [OrderLine(order=order, line_no=1, paid_fen=128000, **suit) for order in orders], batch_size=BATCH
    )
    enroll_orders([order.pk for order in orders], now=now)


def _introduce() -> bool:
    """Tell a stand-in at the other end who works here. A receiver of somebody else's making may not want to know."""
    try:
        tell_sandbox(SandboxControl(urljoin(settings.WECOM_API_BASE, "/control/")), with_customers=False)
    except (OSError, ValueError):
        return False
    return True
