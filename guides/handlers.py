"""What guides does when something it listens to has happened."""

from guides.events import SignInChanged, StaffLent
from guides.notices.services import Notice, tell_each
from guides.org.actors import role_names
from guides.org.directory import follow_people
from guides.org.models import RoleAssignment, Staff, Store
from guides.org.queries import managers_of_stores
from yejibao.core import clock, outbox
from yejibao.wecom import inbox
from yejibao.wecom.events import PersonChanged


@inbox.subscribe(PersonChanged)
def follow_address_book(events: list[PersonChanged]) -> None:
    """Who left the company is refused at once and his members get an heir; who was disabled is refused till he is back."""
    follow_people(events)


@outbox.subscribe(StaffLent)
def tell_who_is_lent(events: list[StaffLent]) -> None:
    """The helper hears where she works from-to, and whoever heads that store that she comes."""
    now = clock.now()
    stores = {one.pk: one.short_name for one in Store.objects.filter(pk__in=[event.store_id for event in events])}
    heads = managers_of_stores(list(stores), day=clock.local_day(now))
    told = []
    for event in events:
        days = f"{event.starts_on[5:]} 至 {event.ends_on[5:]}"
        key, place = f"lent:{event.staff_id}:{event.store_id}", stores[event.store_id]
        told.append((event.staff_id, Notice("approval", key, f"{days}去{place}支援", "/me/", role_names()[event.role])))
        if head := heads.get(event.store_id):
            told.append((head, Notice("approval", key, f"{days}有同事来{place}支援", "/m/shifts/")))
    tell_each(told, now=now)


SIGN_IN_WORDS = {
    "account": "企业微信账号换了", "password": "网页密码重新设了", "no_password": "网页密码取消了",
    "no_second_factor": "动态码取消了", "second_factor": "绑定了新的动态码",
}  # fmt: skip


@outbox.subscribe(SignInChanged)
def tell_whose_sign_in_changed(events: list[SignInChanged]) -> None:
    """He hears what was changed and by whom; so do the other administrators, as he may be the one who cannot come in."""
    now = clock.now()
    held = RoleAssignment.objects.filter(RoleAssignment.in_force(clock.local_day(now)), role="sys_admin")
    keepers = list(held.order_by("staff_id").values_list("staff_id", flat=True).distinct())
    names = dict(
        Staff.objects.filter(
            pk__in=[event.staff_id for event in events] + [event.by_id for event in events if event.by_id]
        ).values_list("pk", "name")
    )
    told = []
    for event in events:
        key, what = f"sign_in:{event.staff_id}:{event.what}", SIGN_IN_WORDS[event.what]
        by = f"{names[event.by_id]}办的，" if event.by_id in names else ""
        text = f"{by}不是你要的，马上告诉总部信息中心"
        told.append((event.staff_id, Notice("approval", key, f"你的登录：{what}", "/me/devices/", text)))
        told += [
            (keeper, Notice("approval", key, f"{names[event.staff_id]}的登录：{what}", f"/hq/people/{event.staff_id}/", by.rstrip("，")))
            for keeper in keepers if keeper not in (event.staff_id, event.by_id)
        ]  # fmt: skip
    tell_each(told, now=now)
