"""What the app can say: cut where the platform cuts, refused where it would refuse; and the platform's judgement of each."""

import json
from dataclasses import replace
from typing import Any

import pytest

from yejibao.wecom import messages
from yejibao.wecom.errors import GatewayError
from yejibao.wecom.gateway import Gateway
from yejibao.wecom.messages import BadMessage, Button, ButtonCard, MiniProgramNotice, Text, TextCard

pytestmark = pytest.mark.django_db

LONG = "欧阳" * 2000
CARD = ButtonCard(
    title="王建平 · 30 分钟回访", note="15:30 前", text="刚买走藏青羊毛套西", path="/g/tasks/7/", task_id="task-7-12",
    buttons=[Button("已联系", key="done"), Button("稍后", key="later", style=2)],
)  # fmt: skip
NOTICE = MiniProgramNotice(appid="wx1", title="新的订单", page="pages/order?id=7", items=[("单号", "7")])
CALLED_BACK = {"url": "http://127.0.0.1:9/", "token": "t", "aes_key": "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"}


@pytest.fixture
def platform(sandbox: Any) -> Any:
    sandbox.post("receivers", yejibao=CALLED_BACK)
    return sandbox


KINDS = [
    (Text(words="王建平这件已经记下了", path="/g/tasks/7/"), "王建平这件已经记下了"),
    (
        TextCard(title="有 2 件事要跟进", lines=["王建平", "李敏"], path="/g/today/", highlight="15:30 前"),
        "有 2 件事要跟进",
    ),
    (CARD, "王建平 · 30 分钟回访"),
    (NOTICE, "新的订单"),
]
TOO_LONG = [
    Text(words=LONG, path="/g/today/"),
    TextCard(title=LONG, lines=[LONG, LONG], path="/g/today/", button="去看一看吧", highlight=LONG),
    replace(CARD, title=LONG, note=LONG, text=LONG, rows=[(LONG, LONG)], source=LONG, done=LONG,
            buttons=[Button(LONG, key="done")]),
    replace(NOTICE, title=LONG, description=LONG, items=[(LONG, LONG)]),
]  # fmt: skip


@pytest.mark.parametrize(("content", "title"), KINDS, ids=lambda value: getattr(value, "kind", ""))
def test_the_platform_takes_each_kind(door: Gateway, platform: Any, content: Any, title: str) -> None:
    body = messages.request_bytes(content, to="lan.chen", number=12)
    assert door.send_message(body).invalid_users == ()
    [row] = platform.received("lan.chen")
    assert (row["flag"], row["cut"], messages.title_of(row["request"])) == ("delivered", [], title)
    assert messages.url_of(row["request"]).endswith("m=12")


@pytest.mark.parametrize("content", TOO_LONG, ids=lambda value: value.kind)
def test_nothing_is_left_for_the_platform_to_cut(door: Gateway, platform: Any, content: Any) -> None:
    body = messages.request_bytes(content, to="lan.chen", number=12)
    assert "…" in body.decode()
    door.send_message(body)
    [row] = platform.received("lan.chen")
    assert row["cut"] == []
    assert messages.url_of(row["request"]).endswith("m=12"), "the number was cut away"


def test_a_card_keeps_its_highlight_and_no_half_tag() -> None:
    for length in range(440, 520):
        lines = ["件" * length, "第二行"]
        text = TextCard(title="t", lines=lines, path="/", highlight="15:30 前").payload(1)["description"]
        head, _, loud = text.rpartition("<br>")
        assert loud == '<div class="highlight">15:30 前</div>'
        assert head.replace("<br>", "").count("<") == 0 and len(text) <= 512


def test_a_member_cannot_write_tags() -> None:
    text = TextCard(title="t", lines=["<div class='highlight'>王</div>"], path="/").payload(1)["description"]
    assert "<" not in text
    assert 'href="http' in Text(words="<a href='x'>王</a>", path="/").payload(1)["content"]


@pytest.mark.parametrize(
    ("content", "field"),
    [
        (Text(words=" ", path="/"), "text.content"),
        (Text(words="a", path="/" + "x" * 2048), "text.content"),
        (TextCard(title="", lines=["a"], path="/"), "textcard"),
        (TextCard(title="a", lines=["a"], path="/" + "x" * 2048), "textcard.url"),
        (replace(CARD, task_id="任务"), "template_card.task_id"),
        (replace(CARD, task_id="x" * 129), "template_card.task_id"),
        (replace(CARD, buttons=[]), "template_card.button_list"),
        (replace(CARD, buttons=[Button("a", key="a"), Button("b", key="a")]), "template_card.button_list"),
        (replace(CARD, buttons=[Button("a", key=str(n)) for n in range(7)]), "template_card.button_list"),
        (replace(CARD, buttons=[Button("a")]), "button_list"),
        (replace(CARD, buttons=[Button("a", key="k" * 1025)]), "button_list.key"),
        (replace(CARD, rows=[("a", "b")] * 7), "template_card.horizontal_content_list"),
        (replace(NOTICE, appid=""), "miniprogram_notice.appid"),
        (replace(NOTICE, title="新单"), "miniprogram_notice.title"),
        (replace(NOTICE, items=[("a", "b")] * 11), "miniprogram_notice.content_item"),
        (replace(NOTICE, page="p" * 1024), "miniprogram_notice.page"),
    ],
)
def test_what_the_platform_would_refuse_never_leaves(content: Any, field: str) -> None:
    with pytest.raises(BadMessage, match=field) as caught:
        messages.request_bytes(content, to="lan.chen", number=1)
    assert caught.value.field == field


# ---------------------------------------------------------------- the stand-in judges as the platform does


def send(door: Gateway, content: dict[str, Any], *, kind: str = "template_card", to: str = "lan.chen") -> Any:
    """Send and return the answer, or the errcode."""
    try:
        return door.post("message/send", {"touser": to, "msgtype": kind, "agentid": door.app.agent_id, kind: content})
    except GatewayError as error:
        return error.code


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"card_type": "poster"}, 42027), ({"main_title": {}}, 42029), ({"task_id": ""}, 42030), ({"task_id": "七"}, 42016),
        ({"button_list": []}, 42036), ({"button_list": [{"text": "a", "key": "k"}] * 7}, 42036),
        ({"button_list": [{"text": "a", "key": "k"}] * 2}, 42017), ({"button_list": [{"text": "", "key": "k"}]}, 42037),
        ({"button_list": [{"text": "a"}]}, 42038), ({"button_list": [{"text": "a", "type": 1, "url": "x"}]}, 42039),
        ({"horizontal_content_list": [{"keyname": "a"}] * 7}, 42033), ({"jump_list": [{"title": "a"}] * 4}, 42035),
    ],
)  # fmt: skip
def test_wrong_cards(door: Gateway, platform: Any, change: dict[str, Any], code: int) -> None:
    assert send(door, CARD.payload(1) | change) == code


@pytest.mark.parametrize(
    ("change", "code", "to"),
    [({"appid": ""}, 90200, "lan.chen"), ({"title": "单"}, 90201, "lan.chen"), ({}, 40058, "@all"),
     ({"content_item": [{"key": "a", "value": "b"}] * 11}, 90202, "lan.chen"),
     ({"content_item": [{"key": "a"}]}, 90203, "lan.chen")],
)  # fmt: skip
def test_wrong_notices(door: Gateway, platform: Any, change: dict[str, Any], code: int, to: str) -> None:
    assert send(door, NOTICE.payload(1) | change, kind="miniprogram_notice", to=to) == code


def test_buttons_want_an_address_to_call_back(door: Gateway, sandbox: Any) -> None:
    assert send(door, CARD.payload(1)) == 43012
    with pytest.raises(GatewayError) as caught:
        door.send_message(messages.request_bytes(CARD, to="lan.chen", number=1))
    assert caught.value.kind == "admin", "somebody has to fill it in; the message waits for him"


def test_a_code_changes_the_card_once_within_72_hours(door: Gateway, platform: Any) -> None:
    platform.post("clock", now=1_770_000_000)
    code = send(door, CARD.payload(1))["response_code"]
    other = send(door, replace(CARD, task_id="task-7-13").payload(1))["response_code"]
    changed = replace(CARD, note="14:32 已完成", done="已完成").payload(1)
    door.update_card("lan.chen", response_code=code, card=changed)
    [row, _] = platform.received("lan.chen")
    assert (row["card"]["replace_text"], row["grey"]) == ("已完成", "已完成")
    assert [one["seq"] for one in platform.received("lan.chen", after=row["seq"] + 1)] == [row["seq"]], (
        "told as changed"
    )

    def refused(code: str) -> int | None:
        with pytest.raises(GatewayError) as caught:
            door.update_card("lan.chen", response_code=code, card=changed)
        return caught.value.code

    assert (refused(code), refused("made up")) == (60140, 60140)
    platform.post("clock", now=1_770_000_000 + 72 * 3600)
    assert refused(other) == 60140


def test_a_press_calls_back_with_a_code_of_its_own(door: Gateway, platform: Any, wait_until: Any) -> None:
    send(door, CARD.payload(1))
    [row] = platform.received("lan.chen")
    platform.post("card/press", userid="Lan.Chen", seq=row["seq"], key="done")
    platform.post("card/press", userid="lan.chen", seq=row["seq"], key="done")  # nobody has changed it yet
    kinds = [one["kind"] for one in platform.get("callbacks")["callbacks"]]
    assert kinds == ["template_card_event"] * 2
    for wrong in ({"key": "nonsense"}, {"seq": 999}, {"userid": "min.wang"}):
        with pytest.raises(OSError, match="40[49]"):
            platform.post("card/press", **({"userid": "lan.chen", "seq": row["seq"], "key": "done"} | wrong))


def test_the_bytes_are_the_same_for_the_same_facts() -> None:
    one, again = (messages.request_bytes(CARD, to="lan.chen", number=12) for _ in range(2))
    assert one == again
    assert json.loads(one)["duplicate_check_interval"] == 14400
