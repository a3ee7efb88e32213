"""Buttons of the card in a guide's chat: what a press does, says and leaves alone, however often and late it is told."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from guides.org.models import Staff
from tasks.followups import services
from tasks.followups.models import CardClick, Task, TaskEvidence
from tests.conftest import SandboxControl, TestClock
from tests.factories.crm import make_friend, make_member, make_order
from tests.factories.guides import Org, actor, make_org, make_staff
from tests.factories.platform import Platform
from tests.factories.tasks import enroll, load_rules, local
from yejibao.core import clock as product_clock
from yejibao.core.clock import parse_iso
from yejibao.core.models import OutboxMessage
from yejibao.wecom import gateway
from yejibao.wecom.errors import GatewayError
from yejibao.wecom.events import CardClicked
from yejibao.wecom.messages import title_of
from yejibao.wecom.sender import drain_messages

pytestmark = pytest.mark.django_db

KEYS = ("token", "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C")
AT = "2025-03-04 15:05"


@pytest.fixture
def org(clock: TestClock, settings: Any) -> Org:
    settings.WECOM_CALLBACKS = {"yejibao": KEYS}
    clock.travel("2025-03-04 10:00")
    load_rules()
    return make_org()


@pytest.fixture
def platform(sandbox: SandboxControl, clock: TestClock, org: Org) -> Platform:
    sandbox.post("receivers", yejibao={"url": "http://127.0.0.1:9/", "token": KEYS[0], "aes_key": KEYS[1]})
    sandbox.post("delivery", resends=0)
    platform = Platform(sandbox, clock)
    platform.join(org.guide, org.manager, org.stranger)
    return platform


@pytest.fixture
def task(platform: Platform, org: Org) -> Task:
    """The first touch of a purchase at 15:00, its card in the guide's chat; now it is five past."""
    member = make_member(owner=org.guide, name="王建平", phone="13800132075")
    make_friend(member, org.guide)
    enroll(make_order(member, paid_at="2025-03-04 15:00", guide=org.guide))
    platform.beat("2025-03-04 15:00")
    platform.travel(AT)
    return Task.objects.get()


@pytest.fixture
def press(platform: Platform, org: Org, task: Task) -> Callable[..., CardClicked]:
    """Return a function that presses a button in the client and returns what the platform will tell of it."""

    def at(key: str = "done", *, person: Staff | None = None) -> CardClicked:
        person = person or org.guide
        row = card(platform, person)
        pressed = platform.sandbox.post("card/press", userid=person.wecom_user_id, seq=row["seq"], key=key)
        return CardClicked(
            userid=person.wecom_user_id, task_id=row["card"]["task_id"], key=key, at=product_clock.now().isoformat(),
            card_type="button_interaction", response_code=pressed["response_code"],
        )  # fmt: skip

    return at


def card(platform: Platform, person: Staff) -> Any:
    return platform.sandbox.received(person.wecom_user_id)[-1]


def shown(platform: Platform, person: Staff) -> tuple[str, str]:
    """Return the line under the title of the person's card and the words of its dead button."""
    row = card(platform, person)
    return row["card"]["main_title"]["desc"], row["grey"]


def answer(*events: CardClicked) -> dict[str, int]:
    return services.answer_clicks(list(events), door=gateway.default())


# ---------------------------------------------------------------- the card


def test_an_urgent_task_comes_as_a_card_with_buttons(task: Task, platform: Platform, org: Org) -> None:
    row = card(platform, org.guide)
    body = row["request"]["template_card"]
    message = OutboxMessage.objects.get()
    assert (title_of(row["request"]), body["main_title"]["desc"], body["sub_title_text"]) == (
        "王建平 · 30 分钟回访", "15:30 前", task.why,
    )  # fmt: skip
    assert [button["text"] for button in body["button_list"]] == ["去发送", "完成", "稍后提醒"]
    assert body["task_id"] == f"task-{task.pk}-{message.pk}"
    assert body["card_action"]["url"].endswith(f"/g/tasks/{task.pk}/?m={message.pk}")
    assert row["cut"] == [] and "13800132075" not in json.dumps(row["request"])


def test_a_call_is_noted_on_the_page(task: Task, platform: Platform, org: Org) -> None:
    Task.objects.update(channel="manual_call", tell_at=product_clock.now())
    platform.beat("2025-03-04 15:06")
    first, second = card(platform, org.guide)["card"]["button_list"]
    assert (first["text"], first["type"], second["key"]) == ("去打电话", 1, "later")


def test_without_an_address_to_call_back_it_is_a_text_card(
    task: Task, platform: Platform, settings: Any, org: Org
) -> None:
    settings.WECOM_CALLBACKS = {}
    Task.objects.update(tell_at=product_clock.now())
    platform.beat("2025-03-04 15:06")
    assert card(platform, org.guide)["request"]["textcard"]["title"] == "王建平 · 30 分钟回访"


# ---------------------------------------------------------------- a press


def test_done_is_the_pages_own_act(task: Task, press: Any, platform: Platform, org: Org) -> None:
    assert answer(press()) == {"done": 1, "refused": 0}
    task.refresh_from_db()
    assert (task.state, task.done_by_id, task.evidence_kind, task.evidence_level) == (
        "done",
        org.guide.pk,
        "chat_claimed",
        0,
    )
    assert local(task.done_at) == AT
    assert shown(platform, org.guide) == ("15:05 记为已联系，结果到任务里点", "已完成")


def test_later_comes_back_before_it_is_due_as_a_new_card(task: Task, press: Any, platform: Platform, org: Org) -> None:
    answer(press("later"))
    task.refresh_from_db()
    assert (task.state, local(task.hidden_until), task.hidden_reason) == ("open", "2025-03-04 15:15", "guide_busy")
    assert shown(platform, org.guide) == ("今天 15:15 再提醒你", "已推后")
    platform.beat("2025-03-04 15:15")
    again = card(platform, org.guide)
    assert (again["grey"], again["card"]["task_id"] != f"task-{task.pk}") == ("", True)


@pytest.mark.parametrize(
    ("due", "again", "says"),
    [
        ("15:16", "15:11", "今天 15:11 再提醒你"),
        ("15:08", "16:10", "今天 16:10 再提醒你，会超过 15:08 的期限"),
        ("16:30", "16:10", "今天 16:10 再提醒你"),
        ("15:00", "16:10", "今天 16:10 再提醒你"),  # it is late already: no news
    ],
)
def test_later_says_when_it_goes_beyond_the_due_time(
    task: Task, press: Any, platform: Platform, org: Org, due: str, again: str, says: str
) -> None:
    Task.objects.update(due_at=parse_iso(f"2025-03-04 {due}"))
    answer(press("later"))
    assert local(Task.objects.get().hidden_until) == f"2025-03-04 {again}"
    assert shown(platform, org.guide)[0] == says


def test_told_twice_it_is_done_once(task: Task, press: Any, platform: Platform, org: Org) -> None:
    event = press()
    answer(event)
    services.undo(Task.objects.get(), actor=actor(org.guide), now=product_clock.now())
    assert answer(event, event) == {"done": 2, "refused": 0}
    assert Task.objects.get().state == "open", "taken back on the page; what was told again says nothing new"
    assert TaskEvidence.objects.filter(kind="chat_claimed").count() == 1
    updates = platform.sandbox.get("calls", api="message/update_template_card")["calls"]
    assert [one["errcode"] for one in updates] == [0]


def test_two_quick_presses(task: Task, press: Any, platform: Platform, org: Org) -> None:
    first, second = press(), press()
    answer(second, first)
    assert TaskEvidence.objects.filter(kind="chat_claimed").count() == 1
    assert shown(platform, org.guide) == ("今天 15:05 已经做完了", "已完成")


def test_a_late_press_counts_from_when_it_was_made(task: Task, press: Any, platform: Platform, org: Org) -> None:
    event = press()
    platform.travel("2025-03-04 15:50")
    answer(event)
    assert local(Task.objects.get().done_at) == AT


def by_the_page(org: Org, task: Task) -> None:
    services.record_sent(task, actor=actor(org.guide), text="您好", now=product_clock.now())


def by_the_manager(org: Org, task: Task) -> None:
    services.record_claimed(task, actor=actor(org.manager), now=product_clock.now())


def handed_on(org: Org, task: Task) -> None:
    colleague = make_staff("guide", store=org.store, display_name="黄婷")
    services.reassign([task], actor=actor(org.manager), to=colleague, reason="去吃饭了", now=product_clock.now())


def expired(org: Org, task: Task) -> None:
    Task.objects.update(state="expired")


def superseded(org: Org, task: Task) -> None:
    Task.objects.update(state="superseded")


def resigned(org: Org, task: Task) -> None:
    Staff.objects.filter(pk=org.guide.pk).update(state="resigned")


def held(org: Org, task: Task) -> None:
    Task.objects.update(held_at=product_clock.now(), held_reason="aftersale")


@pytest.mark.parametrize(
    ("before", "said", "done"),
    [
        (by_the_page, "今天 15:05 已经做完了", "已完成"), (by_the_manager, "今天 15:05 由国栋做完了", "已完成"),
        (handed_on, "已转给黄婷，不用你跟了", "已转走"), (expired, "这件事已失效，不用做了", "已失效"),
        (superseded, "他又来买了，新一轮跟进另外提醒你", "已替换"), (resigned, "你的账号已停用", "已停用"),
        (held, "这件事暂缓中，放出来以后再做", ""),
    ],
)  # fmt: skip
@pytest.mark.parametrize("key", ["done", "later"])
def test_what_happened_meanwhile_stays(
    task: Task, press: Any, platform: Platform, org: Org, before: Any, said: str, done: str, key: str
) -> None:
    before(org, task)
    stood = list(Task.objects.values())
    assert answer(press(key)) == {"done": 0, "refused": 1}
    assert list(Task.objects.values()) == stood
    assert shown(platform, org.guide) == (said, done)


def test_a_refusal_that_passes_leaves_the_buttons(task: Task, press: Any, platform: Platform, org: Org) -> None:
    platform.travel("2025-03-04 22:00")
    answer(press())
    said, done = shown(platform, org.guide)
    assert ("免打扰时段" in said, done) == (True, "")
    Task.objects.update(expire_at=parse_iso("2025-03-05 22:00"))
    platform.travel("2025-03-05 09:40")
    answer(press())
    assert Task.objects.get().state == "done"


# ---------------------------------------------------------------- the code of a press


def test_too_late_for_the_card_she_is_told_in_text(task: Task, press: Any, platform: Platform, org: Org) -> None:
    event = press()
    platform.travel(parse_iso(AT) + timedelta(hours=72))
    Task.objects.update(expire_at=parse_iso("2025-03-09 22:00"))
    answer(event)
    answer(event)
    assert (Task.objects.get().state, local(Task.objects.get().done_at)) == ("done", AT)
    drain_messages()
    text = card(platform, org.guide)["request"]["text"]["content"]
    assert text.startswith("王建平 · 30 分钟回访：15:05 记为已联系") and f"/g/tasks/{task.pk}/?m=" in text
    assert OutboxMessage.objects.filter(kind="card_said").count() == 1


def test_a_busy_platform_is_asked_again(task: Task, press: Any, platform: Platform, org: Org) -> None:
    event = press()
    platform.sandbox.fault("message/update_template_card", errcode=-1, times=1)
    with pytest.raises(GatewayError):
        answer(event)
    answer(event)
    assert shown(platform, org.guide)[1] == "已完成"
    assert TaskEvidence.objects.filter(kind="chat_claimed").count() == 1


def test_a_change_that_nobody_answered_had_arrived(task: Task, press: Any, platform: Platform, org: Org) -> None:
    event = press()
    platform.sandbox.fault("message/update_template_card", drop_after_effect=True, times=1)
    with pytest.raises(GatewayError):
        answer(event)
    answer(event)
    assert (shown(platform, org.guide)[1], CardClick.objects.get().answered_at is not None) == ("已完成", True)
    assert not OutboxMessage.objects.filter(kind="card_said").exists(), "told twice"


def test_cards_of_others_are_nobodys_business(task: Task, press: Any, org: Org) -> None:
    event = press()
    for wrong in ({"task_id": "task-7"}, {"task_id": "task-999999999-1"}, {"userid": "nobody"}, {"key": "approve"}):
        facts = {name: getattr(event, name) for name in ("userid", "task_id", "key", "at", "response_code")}
        assert answer(CardClicked(**facts | wrong)) == {"done": 0, "refused": 0}
    assert (Task.objects.get().state, CardClick.objects.count()) == ("open", 0)


def test_old_presses_are_forgotten(task: Task, press: Any) -> None:
    answer(press())
    assert services.forget_clicks(now=product_clock.now() + timedelta(days=29)) == 0
    assert services.forget_clicks(now=product_clock.now() + timedelta(days=31)) == 1
