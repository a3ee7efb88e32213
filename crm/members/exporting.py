"""会员名单 as an export: masked, or with two approvals the full names and phone numbers (reliability-security §3)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.db.models import Q, QuerySet

from guides.exports.registry import Column, Exportable, Params, register
from guides.org import matrix
from guides.org.models import OrgUnit
from guides.org.scoped import under_grants
from yejibao.core.errors import NotFound
from yejibao.core.personal import mask_mobiles, mask_name
from yejibao.core.scope import Actor

from .customers import level_names
from .models import Member

TIERS = {"core": "核心", "potential": "潜力", "common": "普通", "lapsed": "一年未买", "unconsumed": "未消费"}


PERMISSION = "member.export"


def export_filter(actor: Actor) -> Q:
    """Whose list an actor may export: the reach of the role he asks in (exports/services.py leaves him no other)."""
    grants = actor.reach(*matrix.holders(PERMISSION))
    return under_grants(grants, path="main_store__unit__path", store="main_store_id")


def _clean(actor: Actor, given: Mapping[str, str]) -> Params:
    """Return the unit by its code, and the tier. Raises NotFound for a unit out of sight or a tier that does not exist."""
    code, tier = given.get("unit", "").strip()[:32], given.get("tier", "")
    if tier and tier not in TIERS:
        raise NotFound()
    unit = OrgUnit.objects.visible_to(actor).filter(code=code).first() if code else None
    if code and unit is None:
        raise NotFound("没有这个门店或组织编号，或者不归你看")
    return {"unit": unit.path if unit else "", "unit_name": unit.name if unit else "", "tier": tier}


def _found(actor: Actor, params: Params) -> QuerySet[Member]:
    found = Member.objects.filter(export_filter(actor), status=Member.Status.ACTIVE)
    if params["unit"]:
        found = found.filter(main_store__unit__path__startswith=params["unit"])
    return found.filter(tier_631=params["tier"]) if params["tier"] else found


def _ready(found: QuerySet[Member], params: Params) -> QuerySet[Member]:
    if not params.get("with_phone"):
        found = found.defer("phone", "birth_year")  # what is not asked for is not opened
    return found.select_related("main_store", "owner_guide").order_by("pk")


def _rows(actor: Actor, params: Params) -> Iterator[Any]:
    return _ready(_found(actor, params), params).iterator(chunk_size=1000)


def _count(actor: Actor, params: Params, most: int) -> int:
    return _found(actor, params).order_by().values("pk")[:most].count()


def _sample(viewer: Actor, asker: Actor, params: Params, most: int) -> Sequence[Any]:
    seen = Member.objects.visible_to(viewer).order_by().values("pk")
    return list(_ready(_found(asker, params).filter(pk__in=seen), params)[:most])


def _columns(actor: Actor, params: Params) -> Sequence[Column]:
    levels, is_full = level_names(), params.get("with_phone")
    phone = [Column("手机号", lambda one: one.phone, width=14)] if is_full else []
    return [
        Column("会员号", (lambda one: one.member_no) if is_full else (lambda one: mask_mobiles(one.member_no))),
        Column("姓名", (lambda one: one.name) if is_full else (lambda one: mask_name(one.name))),
        *phone,
        Column("等级", lambda one: levels.get(one.member_level, "")),
        Column("631", lambda one: TIERS.get(one.tier_631, "")),
        Column("主门店", lambda one: one.main_store.short_name if one.main_store else None, width=16),
        Column("专属导购", lambda one: one.owner_guide.name if one.owner_guide else None),
        Column("最近购买", lambda one: one.last_purchase_on, "day"),
        Column("近一年消费（元）", lambda one: one.spend_365_fen, "yuan", width=16),
    ]


def _describe(params: Params) -> str:
    tier = TIERS.get(params["tier"], "")
    return " ".join(part for part in (params["unit_name"], tier) if part)


register(
    Exportable(
        key="members", title="会员名单", permission=PERMISSION, approval="member.export", approval_phone="member.export_phone",
        columns=_columns, rows=_rows, clean=_clean, describe=_describe, row_id=lambda one: one.pk,
        count=_count, sample=_sample, question="members/export_fields.html",
    )
)  # fmt: skip
