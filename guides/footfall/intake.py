"""Door counts as a kind of the intake."""

from django.utils.translation import gettext_lazy as _

from yejibao.intake import kinds
from yejibao.intake.kinds import Field, Kind
from yejibao.intake.stage import Column, Stage

STORE = "JOIN guides_store st ON st.code = s.cells->>'store'"
SAME = "t.store_id = st.id AND t.day = (s.cells->>'day')::date AND t.hour = (s.cells->>'hour')::int"


def _columns(stage: Stage) -> tuple[Column, ...]:
    return (
        Column("store_id", "st.id"),
        Column("day", "(s.cells->>'day')::date"),
        Column("hour", "(s.cells->>'hour')::int"),
        Column("entered", "(s.cells->>'entered')::int"),
        Column("source", stage.literal(stage.source), compared=False),
    )


def check(stage: Stage) -> None:
    stage.unknown("store", "guides_store", "code", "没有这家门店")
    stage.refuse(
        f"(s.cells->>'day')::date > {stage.literal(stage.today)}::date", "day", "footfall.in_future", "日期还没有到"
    )
    stage.compare("guides_footfall", SAME, _columns(stage), joins=STORE)


def commit(stage: Stage) -> None:
    stage.write("guides_footfall", SAME, _columns(stage), unique="store_id, day, hour", joins=STORE)


kinds.register(
    Kind(
        key="footfall",
        label=str(_("客流")),
        roles=("hq_retail",),
        fields=(
            Field("store", "门店编码", form="code", required=True, example="S001"),
            Field("day", "日期", form="day", required=True),
            Field("hour", "小时", form="whole", low=0, high=23, required=True, example=15),
            Field(
                "entered",
                "进店人数",
                form="whole",
                low=0,
                high=100_000,
                required=True,
                aliases=("客流", "人数"),
                example=42,
            ),
        ),
        natural_key=("store", "day", "hour"),
        check=check,
        commit=commit,
        newest_wins=True,
        about="每店每小时一条；同一小时再送以后送的为准。",
    )
)
