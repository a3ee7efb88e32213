"""话术 beside the chat: found by words or first letters, her task's first, sent or copied, kept."""

import json
from typing import Any

import pytest
from django.test import Client

from crm.members.models import Member
from tasks.scripts.loading import load_scripts
from tasks.scripts.models import ScriptUse
from tests.factories.crm import make_friend, make_member
from tests.factories.guides import Org, make_org, sign_in
from tests.factories.tasks import make_task
from yejibao.core import clock as product_clock

pytestmark = pytest.mark.django_db


@pytest.fixture
def org(clock: Any) -> Org:
    clock.travel("2026-03-04 10:00")
    load_scripts(now=product_clock.now())
    return make_org()


@pytest.fixture
def guide(client: Client, org: Org) -> Client:
    return sign_in(client, org.guide)


@pytest.fixture
def member(org: Org) -> Member:
    member = make_member(owner=org.guide, name="王建平", salutation="王哥")
    make_friend(member, external_user_id="wm1")
    return member


def found(client: Client, words: str = "", external: str = "wm1") -> str:
    answer = client.get(
        "/g/sidebar/scripts/", {"external_user_id": external, "q": words}, headers={"HX-Request": "true"}
    )
    return answer.content.decode() if answer.status_code == 200 else str(answer.status_code)


def post(client: Client, what: str, **facts: str) -> Any:
    body = {"external_user_id": "wm1", "script_key": "", "text": "王哥，大衣别烫"} | facts
    headers = {"Accept": "application/json", "Idempotency-Key": facts.get("text", "k")}
    return client.post(
        f"/g/sidebar/scripts/{what}/", json.dumps(body), content_type="application/json", headers=headers
    )


def test_words_and_first_letters_find_the_same(guide: Client, member: Member) -> None:
    assert "王哥" in found(guide, "回访")
    by_letters, by_words = found(guide, "hyryy"), found(guide, "会员日邀约")
    assert by_letters.count("<article") == by_words.count("<article") > 0
    assert "没找到「zzzz」" in found(guide, "zzzz")


def test_the_example_under_the_field_is_true(guide: Client, member: Member) -> None:
    by_letters, by_words = found(guide, "by"), found(guide, "保养")
    assert 0 < by_words.count("<article") <= by_letters.count("<article")
    assert "保养" in by_letters.split("</article>")[0]  # a whole word before letters that stand side by side


def test_what_fits_her_task_comes_first_and_goes_out_as_the_task(guide: Client, org: Org, member: Member) -> None:
    make_task(member, org.guide, now=product_clock.now(), task_type="followup_d3")
    page = found(guide, "王哥")
    ways = [piece.split('"', 1)[0] for piece in page.split('data-say="')[1:]]
    assert ways == sorted(ways, key=["task", "plain", "copy"].index) or ways[0] == "task"
    assert page.index("这次用得上") < page.index("</article>")
    assert 'data-say="task"' in found(guide)  # without words: those alone
    assert 'data-say="plain"' not in found(guide)


def test_without_a_task_words_go_out_plain_and_are_kept(guide: Client, org: Org, member: Member) -> None:
    page = found(guide, "天")
    assert ('data-say="plain"' in page, 'data-say="task"' in page) == (True, False)
    key = page.split('data-say="plain" data-key="')[1].split('"', 1)[0]
    assert post(guide, "ask", script_key=key).status_code == 200
    assert [post(guide, "said", script_key=key).status_code for _ in range(2)] == [200, 200]
    use = ScriptUse.objects.get()
    assert (use.script_key, use.task, use.member, use.guide) == (key, None, member, org.guide)


def test_rules_hold_at_the_moment_of_sending(guide: Client, org: Org, member: Member, clock: Any) -> None:
    member.do_not_contact = True
    member.save()
    assert "别再打扰" in post(guide, "ask").json()["detail"]
    assert ("data-say-send" in found(guide), "别再打扰" in found(guide)) == (False, True)
    member.do_not_contact = False
    member.save()
    clock.travel("2026-03-04 22:30")
    assert (post(guide, "ask").status_code, "免打扰" in found(guide)) == (409, True)
    clock.travel("2026-03-05 10:00")
    member.friend_links.update(state="deleted_by_member")
    assert "不是你的好友" in post(guide, "ask").json()["detail"]
    assert post(guide, "ask", text=" ").status_code == 422


def test_only_beside_the_chat_of_her_own_member(guide: Client, org: Org, member: Member) -> None:
    make_friend(make_member(owner=org.stranger, name="赵启明"), external_user_id="wm2")
    make_friend(make_member(owner=org.stranger, name="钱伟"), org.guide, external_user_id="wm3")
    make_friend(None, org.guide, external_user_id="wm4")
    assert [found(guide, "天", external) for external in ("wm2", "wm3", "wm4", "wmNobody")] == ["404"] * 4
    for external in ("wm2", "wm3", "wmNobody"):
        assert [post(guide, what, external_user_id=external).status_code for what in ("ask", "said")] == [404, 404]
    assert not ScriptUse.objects.exists()


@pytest.mark.parametrize("tasks", [1, 4])
def test_the_search_needs_the_same_statements_for_any_number(
    guide: Client, org: Org, member: Member, tasks: int, django_assert_max_num_queries: Any
) -> None:
    for kind in ["followup_m30", "followup_d3", "followup_d30", "followup_d60"][:tasks]:
        make_task(member, org.guide, now=product_clock.now(), task_type=kind)
    with django_assert_max_num_queries(20):
        assert "<article" in found(guide, "王哥")
