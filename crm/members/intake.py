"""Members as a kind of the intake: cards of another system become members, and are brought up to date."""

from __future__ import annotations

import json
from typing import Any

from django.utils.translation import gettext_lazy as _

from yejibao.core import audit, erasing
from yejibao.core.scope import Actor
from yejibao.intake import kinds
from yejibao.intake.kinds import Field, Kind
from yejibao.intake.stage import Column, Stage

from .services import move_phones, note_identities

GENDERS = {"男": "m", "女": "f", "未知": "u"}
CALENDARS = {"公历": "solar", "农历": "lunar"}
SAME = "t.member_no = s.key"
# Another number than the one that is held; the same under a former index key is none (core/reindexing.py).
OTHER_PHONE = "s.cells->>'phone_index' <> {held} AND NOT coalesce(s.cells->'phone_former' ? {held}, false)"
JOINS = """
    LEFT JOIN guides_staff g ON g.wecom_user_id = s.cells->>'owner_guide'
    LEFT JOIN guides_store st ON st.code = s.cells->>'main_store'
"""


def cell(name: str) -> str:
    return f"nullif(s.cells->>'{name}', '')"


def _columns(stage: Stage) -> tuple[Column, ...]:
    registered = f"({cell('registered_at')})::timestamptz"
    new = {
        "public_id": "gen_random_uuid()", "status": "'active'", "is_employee": "false", "is_test": "false",
        "do_not_contact": "false", "marketing_opt_out": "'{}'", "member_level": "'V1'", "spend_180_fen": "0",
        "tier_631": "'unconsumed'", "tier_631_store": "'unconsumed'", "purchase_node": "'none'", "purchase_count": "0",
        "lifecycle_stage": "'potential'", "spend_365_fen": "0", "join_channel": stage.literal(stage.source[:32]),
        "owner_guide_id": "g.id", "main_store_id": "coalesce(st.id, g.store_id)",
        "phone_consent": f"coalesce(({cell('phone_consent')})::boolean, false)",
        "registered_at": f"coalesce({registered}, {stage.literal(stage.now)}::timestamptz)",
        "birthday_calendar": f"coalesce({cell('calendar')}, 'solar')",
    }  # fmt: skip
    return (
        Column("member_no", "s.key"),
        Column("name", cell("name")),
        Column("salutation", cell("salutation"), blank="''"),
        Column("gender", cell("gender"), blank="'u'"),
        Column("phone", cell("phone"), blank="''", compared=False),
        Column("phone_index", cell("phone_index"), blank="''", differs=OTHER_PHONE.format(held="t.phone_index")),
        Column("phone_last4", cell("phone_last4"), blank="''", compared=False),
        Column("birth_month", f"({cell('birthday_month')})::int"),
        Column("birth_day", f"({cell('birthday_day')})::int"),
        Column("birth_year", cell("birthday_year"), blank="''", differs=f"t.birth_year = '' AND {cell('birthday_year')} <> ''"),
        *(Column(name, value, new_only=True) for name, value in new.items()),
    )  # fmt: skip


def check(stage: Stage) -> None:
    stage.unknown("owner_guide", "guides_staff", "wecom_user_id", "没有这位导购")
    stage.unknown("main_store", "guides_store", "code", "没有这家门店")
    stage.refuse(
        "m.status <> 'active'", "member_no", "member.card_closed", "这张卡已经注销或合并",
        joins="JOIN crm_member m ON m.member_no = s.key",
    )  # fmt: skip
    _refuse_forgotten(stage)
    stage.compare("crm_member", SAME, _columns(stage), joins=JOINS)


def _refuse_forgotten(stage: Stage) -> None:
    """Refuse new cards of people who were forgotten, and keep nothing of such a row. Who registered again later, and agreed
    to be called, is a new member."""
    marks: dict[int, set[str]] = {}
    again: dict[int, Any] = {}
    for place, key, index, former, registered_at in stage.run(
        f"""
        SELECT s.place, s.key, s.cells->>'phone_index', s.cells->'phone_former',
            CASE WHEN ({cell("phone_consent")})::boolean THEN ({cell("registered_at")})::timestamptz END
        FROM intake_stagedrow s WHERE {stage.where} AND EXISTS (SELECT 1 FROM core_erasure)
            AND NOT EXISTS (SELECT 1 FROM crm_member m WHERE m.member_no = s.key)
        """
    ):
        former = json.loads(former) if isinstance(former, str) else former or []
        marks[place] = erasing.marks("card", [key]) | erasing.marks("phone", [index, *former] if index else [])
        again[place] = registered_at
    when = erasing.forgotten({one for some in marks.values() for one in some})
    for place, some in marks.items():
        known = sorted(one for one in some if one in when)
        if not known or (again[place] and again[place] > max(when[one] for one in known)):
            continue
        where = f"s.place = {int(place)}"
        stage.refuse(
            where,
            "member_no",
            "member.erased",
            "这位顾客要求删除过信息。他本人重新入会并同意电话联系后，带上新的入会时间再送",
        )
        stage.run(
            "UPDATE intake_stagedrow SET cells = '{}', key = %s WHERE batch = %s AND place = %s",
            [f"erased-{known[0]}", stage.batch_id, place],
        )


def commit(stage: Stage) -> None:
    had = dict(
        stage.run(
            "SELECT m.id, m.phone_index FROM intake_stagedrow s JOIN crm_member m ON m.member_no = s.key"
            f" WHERE {stage.where} AND s.outcome = 'changed' AND {OTHER_PHONE.format(held='m.phone_index')}"
        )
    )
    made = stage.write("crm_member", SAME, _columns(stage), unique="member_no", joins=JOINS)
    move_phones(had, source=stage.source[:16], now=stage.now)
    changed = [
        row[0]
        for row in stage.run(
            "SELECT m.id FROM intake_stagedrow s JOIN crm_member m ON m.member_no = s.key"
            f" WHERE {stage.where} AND s.outcome = 'changed' AND s.cells->>'phone_index' <> ''"
        )
    ]
    note_identities([*made, *changed], now=stage.now)
    facts = {"fields": ["phone"], "source": stage.source}
    told = {pk: facts for pk, index in had.items() if index}
    audit.record_each(Actor.system("intake"), "member.corrected", "crm.Member", told)
    if made or changed:
        audit.record(
            Actor.system("intake"), "intake.members", "intake.Batch", resource_id=str(stage.batch_id),
            after={"source": stage.source, "created": len(made), "changed": len(changed)},
        )  # fmt: skip


kinds.register(
    Kind(
        key="members",
        label=str(_("会员")),
        unit="位",
        roles=("hq_operator", "hq_crm"),
        fields=(
            Field("member_no", "会员号", form="code", required=True, most=32, aliases=("会员卡号", "卡号"), example="M0001"),
            Field("name", "姓名", required=True, most=32, mask="name", aliases=("会员姓名",), example="王建国"),
            Field("salutation", "称呼", most=16),
            Field("gender", "性别", form="choice", choices=GENDERS),
            Field("phone", "手机号", form="phone", most=32, seal="crm_member.phone", mask="phone", aliases=("手机", "会员手机"), example="13800132075"),
            Field("birthday", "生日", form="birthday", seal="crm_member.birth_year", mask="all", aliases=("出生日期",), help="1988-05-20；不知道年份写 05-20"),
            Field("calendar", "生日历法", form="choice", choices=CALENDARS),
            Field("owner_guide", "专属导购账号", form="code", is_lower=True, aliases=("专属导购",), help="只在建档时用", example="limin"),
            Field("main_store", "主归属门店编码", form="code", most=32, aliases=("归属门店", "门店编码"), help="只在建档时用", example="S001"),
            Field("registered_at", "入会时间", form="moment", by_day=True, aliases=("注册时间",), help="只在建档时用"),
            Field("phone_consent", "同意电话联系", form="flag", help="只在建档时用"),
        ),
        natural_key=("member_no",),
        check=check,
        commit=commit,
        about="专属导购和主归属门店只在建档时用，之后的变动在交接里办；空着的格子不改原来的值。",
    )
)  # fmt: skip
