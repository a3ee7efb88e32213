"""Stores and staff as kinds of the intake. A store stands in an area that is there; who leaves is not a matter of a file.

Nor is what decides who sees what: whose a store is, when it closes, who heads it. That goes by `account.manage`, on the pages.
"""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from yejibao.core import audit
from yejibao.core.scope import Actor
from yejibao.intake import kinds
from yejibao.intake.kinds import Field, Kind
from yejibao.intake.stage import Column, Stage

from .actors import actor_for, role_names
from .models import Staff, Store

KINDS = {str(label): value for value, label in Store.Kind.choices}
STORE_ROLES = (
    "guide",
    "store_manager",
)  # those a file may name; a new person gets NEW_ROLE, the others are given in 人员
NEW_ROLE = "guide"


def cell(name: str) -> str:
    return f"nullif(s.cells->>'{name}', '')"


# ---------------------------------------------------------------- stores

STORES = "t.code = s.key"
STORE_JOINS = f"LEFT JOIN guides_orgunit u ON u.code = s.key LEFT JOIN guides_dealer de ON de.code = {cell('dealer')}"
STORE_COLUMNS = (
    Column("code", "s.key"),
    Column("unit_id", "u.id", new_only=True),
    Column("name", cell("name")),
    Column("short_name", f"coalesce({cell('short_name')}, left({cell('name')}, 32))", new_only=True),
    Column("kind", f"coalesce({cell('kind')}, 'self_operated')", new_only=True),
    Column("grade", f"coalesce({cell('grade')}, 'C')", new_only=True),
    Column("dealer_id", "de.id", new_only=True),
    Column("area_m2", f"({cell('area_m2')})::int"),
    Column("opened_on", f"({cell('opened_on')})::date"),
    Column("closed_on", f"({cell('closed_on')})::date", new_only=True),
    Column("city", f"coalesce({cell('city')}, '')", new_only=True),
    Column("address_short", f"coalesce({cell('address')}, '')", new_only=True),
    Column("decoration_version", "''", new_only=True),
    Column("opens_at", "'09:30'", new_only=True),
    Column("closes_at", "'22:00'", new_only=True),
)


def check_stores(stage: Stage) -> None:
    stage.refuse(
        "a.id IS NULL", "area", "store.area_unknown", "没有这个区域",
        joins=f"LEFT JOIN guides_orgunit a ON a.code = {cell('area')} AND a.level = 'area'",
    )  # fmt: skip
    stage.refuse(
        "u.level <> 'store'", "code", "store.code_taken", "这个编码已经是别的组织的",
        joins="JOIN guides_orgunit u ON u.code = s.key",
    )  # fmt: skip
    stage.refuse(
        "u.parent_id IS DISTINCT FROM a.id", "area", "store.area_differs", "门店已经在别的区域；换区域请在组织里办",
        joins=f"JOIN guides_orgunit u ON u.code = s.key JOIN guides_orgunit a ON a.code = {cell('area')}",
    )  # fmt: skip
    stage.unknown("dealer", "guides_dealer", "code", "没有这个经销商")
    stage.refuse(
        "de.id IS DISTINCT FROM st.dealer_id", "dealer", "store.dealer_differs", "归哪个经销商请在门店资料里改",
        joins=f"JOIN guides_store st ON st.code = s.key JOIN guides_dealer de ON de.code = {cell('dealer')}",
    )  # fmt: skip
    stage.refuse(
        f"({cell('closed_on')})::date IS DISTINCT FROM st.closed_on", "closed_on", "store.closing", "关店请在门店资料里办",
        joins=f"JOIN guides_store st ON st.code = s.key AND {cell('closed_on')} IS NOT NULL",
    )  # fmt: skip
    is_new, kind = "NOT EXISTS (SELECT 1 FROM guides_store st WHERE st.code = s.key)", f"coalesce({cell('kind')}, '')"
    stage.refuse(
        f"{is_new} AND {kind} = 'dealer' AND {cell('dealer')} IS NULL", "dealer", "store.dealer_missing", "经销商店要写经销商编码"
    )  # fmt: skip
    stage.refuse(
        f"{is_new} AND {kind} <> 'dealer' AND {cell('dealer')} IS NOT NULL", "dealer", "store.dealer_unwanted",
        "只有经销商店能写经销商编码",
    )  # fmt: skip
    stage.refuse(
        f"({cell('closed_on')})::date < ({cell('opened_on')})::date", "closed_on", "store.days", "闭店日期早于开店日期"
    )
    stage.compare("guides_store", STORES, STORE_COLUMNS, joins=STORE_JOINS)


def commit_stores(stage: Stage) -> None:
    """Make the units first, below their areas, then the stores in them."""
    stage.run(
        f"""
        INSERT INTO guides_orgunit (level, code, name, parent_id, valid_from)
        SELECT 'store', s.key, {cell("name")}, a.id, coalesce(({cell("opened_on")})::date, {stage.literal(stage.today)}::date)
        FROM intake_stagedrow s JOIN guides_orgunit a ON a.code = {cell("area")}
        WHERE {stage.where} AND s.outcome = 'created' ORDER BY s.key ON CONFLICT (code) DO NOTHING
        """
    )
    stage.run(
        """
        UPDATE guides_orgunit u SET path = a.path || u.id || '/' FROM guides_orgunit a
        WHERE a.id = u.parent_id AND u.path IS NULL AND u.level = 'store'
        """
    )
    stage.write("guides_store", STORES, STORE_COLUMNS, unique="code", joins=STORE_JOINS)
    stage.run(  # a unit is called as its store is
        f"""
        UPDATE guides_orgunit u SET name = st.name FROM guides_store st JOIN intake_stagedrow s ON s.key = st.code
        WHERE {stage.where} AND s.outcome = 'changed' AND u.id = st.unit_id AND u.name <> st.name
        """
    )
    _note(stage, "stores")


def _actor(stage: Stage) -> Actor:
    """Return who answers for these rows: whose file it is, or the source that sent them."""
    person = Staff.objects.filter(pk=stage.by_id).first() if stage.by_id else None
    return actor_for(person) if person else Actor(kind="source", name=stage.source)


def _note(stage: Stage, what: str) -> None:
    (made, changed) = stage.run(
        f"SELECT count(*) FILTER (WHERE outcome = 'created'), count(*) FILTER (WHERE outcome = 'changed')"
        f" FROM intake_stagedrow s WHERE {stage.where}"
    )[0]
    if made or changed:
        audit.record(
            _actor(stage), f"intake.{what}", "intake.Batch", resource_id=str(stage.batch_id),
            after={"source": stage.source, "created": made, "changed": changed},
        )  # fmt: skip


# ---------------------------------------------------------------- staff

STAFF = "t.wecom_user_id = s.key"
STAFF_JOINS = f"JOIN guides_store st ON st.code = {cell('store')}"
STAFF_COLUMNS = (
    Column("wecom_user_id", "s.key"),
    Column("password", "'!'", new_only=True),
    Column("name", cell("name")),
    Column("display_name", f"coalesce({cell('display_name')}, {cell('name')})", new_only=True),
    Column("state", "'active'", new_only=True),
    Column("store_id", "st.id", new_only=True),
    Column("unit_id", "st.unit_id", new_only=True),
    Column("phone", f"coalesce({cell('phone')}, '')", new_only=True),
    Column("phone_index", f"coalesce({cell('phone_index')}, '')", new_only=True),
    Column("joined_on", f"({cell('joined_on')})::date"),
    Column("digest_minute", "1 + abs(hashtext(s.key)::bigint) % 29", new_only=True),
)


def check_staff(stage: Stage) -> None:
    stage.unknown("store", "guides_store", "code", "没有这家门店")
    stage.refuse(
        "p.state IN ('resigned', 'disabled')", "userid", "staff.left", "这个人已经离职或停用；要回来请在人员里办",
        joins="JOIN guides_staff p ON p.wecom_user_id = s.key",
    )  # fmt: skip
    stage.refuse(
        "p.store_id IS DISTINCT FROM st.id", "store", "staff.store_differs", "这个人在别的门店；调店请在人员里办",
        joins=f"JOIN guides_staff p ON p.wecom_user_id = s.key JOIN guides_store st ON st.code = {cell('store')}",
    )  # fmt: skip
    stage.refuse(
        f"p.id IS NULL AND {cell('role')} = 'store_manager'", "role", "staff.role_by_hand", "店长岗位在人员里给，这里先不写岗位",
        joins="LEFT JOIN guides_staff p ON p.wecom_user_id = s.key",
    )  # fmt: skip
    stage.compare("guides_staff", STAFF, STAFF_COLUMNS, joins=STAFF_JOINS)


def commit_staff(stage: Stage) -> None:
    """Make people guides of their stores; each role given is a row of the trail, as when a person gives it."""
    ids = stage.write("guides_staff", STAFF, STAFF_COLUMNS, unique="wecom_user_id", joins=STAFF_JOINS)
    if ids:
        given = stage.run(
            f"""
            INSERT INTO guides_roleassignment (staff_id, role, unit_id, starts_on)
            SELECT p.id, '{NEW_ROLE}', p.unit_id, {stage.literal(stage.today)}::date FROM guides_staff p
            WHERE p.id = ANY({stage.literal(ids)}::bigint[]) ORDER BY p.id RETURNING staff_id, unit_id
            """
        )
        facts = {
            "role": NEW_ROLE,
            "starts_on": str(stage.today),
            "ends_on": "",
            "dealer_id": None,
            "batch": stage.batch_id,
        }
        audit.record_each(
            _actor(stage), "org.role_assigned", Staff._meta.label, {pk: facts | {"unit_id": unit} for pk, unit in given}
        )
    _note(stage, "staff")


kinds.register(
    Kind(
        key="stores",
        label=str(_("门店")),
        unit="家",
        roles=("hq_retail",),
        fields=(
            Field("code", "门店编码", form="code", required=True, most=32, aliases=("店铺编码",), example="S001"),
            Field("name", "门店名称", required=True, most=64, example="南京德基广场店"),
            Field("short_name", "简称", most=32),
            Field("area", "区域编码", form="code", required=True, most=32, example="njd"),
            Field("kind", "门店类型", form="choice", choices=KINDS, aliases=("类型",)),
            Field("grade", "等级", form="choice", choices={grade: grade for grade in "ABCD"}),
            Field("dealer", "经销商编码", form="code", most=32),
            Field("area_m2", "面积（平米）", form="whole", low=1, high=100_000, aliases=("面积",)),
            Field("opened_on", "开店日期", form="day"),
            Field("closed_on", "闭店日期", form="day"),
            Field("city", "城市", most=32, example="南京"),
            Field("address", "地址", most=64, aliases=("地址简称",)),
        ),
        natural_key=("code",),
        check=check_stores,
        commit=commit_stores,
        about="新门店挂在已有的区域下面；已有门店只改名称、面积和开店日期；换经销商、关店在门店资料里办。",
    )
)
kinds.register(
    Kind(
        key="staff",
        label=str(_("员工")),
        unit="人",
        roles=("hq_retail",),
        fields=(
            Field(
                "userid", "企业微信账号", form="code", required=True, is_lower=True, aliases=("账号",), example="limin"
            ),
            Field("name", "姓名", required=True, most=32, mask="name", example="李敏"),
            Field("display_name", "对外称呼", most=32, aliases=("昵称",)),
            Field("store", "门店编码", form="code", required=True, most=32, example="S001"),
            Field("role", "岗位", form="choice", choices={role_names()[key]: key for key in STORE_ROLES}),
            Field("phone", "手机号", form="phone", most=32, seal="guides_staff.phone", mask="phone", aliases=("手机",)),
            Field("joined_on", "入职日期", form="day"),
        ),
        natural_key=("userid",),
        check=check_staff,
        commit=commit_staff,
        about="新员工建好账号，岗位是导购；已有员工只改姓名和入职日期，店长和其他岗位、调店、离职在人员里办。",
    )
)
