"""Build an organisation from a plain spec: the demo's, a bench's, a first import. Set-based, and safe to run again.

    load_org(read_spec(DEMO_FILE), now=now)

The spec is the tree of `demo_org.yaml`: hq > branches > regions > areas > stores, each with `code` and `name`;
`dealers`; `staff` with userid, name, role and the code of the unit they belong to (optional: display_name, phone,
dealer, joined_on, backup, digest_minute). What is there already by its code or user id stays as it is.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from django.db import connection, transaction
from django.utils.translation import gettext_lazy as _

from yejibao.core import clock
from yejibao.core.domain_files import read_yaml
from yejibao.core.errors import Invalid
from yejibao.core.personal import blind_index, normal_phone

from .actors import role_names
from .models import Dealer, OrgUnit, RoleAssignment, Staff, Store

DEMO_FILE = Path(__file__).parent.parent / "data" / "demo_org.yaml"
BATCH = 2000

Spec = Mapping[str, Any]
Level = OrgUnit.Level
CHILDREN = {
    Level.HQ: ("branches", Level.BRANCH),
    Level.BRANCH: ("regions", Level.REGION),
    Level.REGION: ("areas", Level.AREA),
    Level.AREA: ("stores", Level.STORE),
}
STORE_FACTS = ("grade", "area_m2", "opened_on", "decoration_version", "city", "address_short")


@dataclass(frozen=True)
class Loaded:
    """What stands now, by code and user id, and how much of it is new."""

    units: dict[str, OrgUnit]
    stores: dict[str, Store]
    staff: dict[str, Staff]
    created: dict[str, int]


def read_spec(path: Path = DEMO_FILE) -> Spec:
    """Return the spec of a YAML file."""
    spec: Spec = read_yaml(path)
    return spec


@transaction.atomic
def load_org(spec: Spec, *, now: datetime) -> Loaded:
    """Create what the spec has and the database has not. Raises Invalid for a role, unit or dealer it does not know."""
    today = clock.local_day(now)
    rows = list(_walk(spec["hq"] | {"branches": spec.get("branches", ())}, Level.HQ, ""))
    units, new_units = _load_units(rows, today)
    dealers = _load_dealers(spec.get("dealers", ()))
    stores, new_stores = _load_stores(rows, units, dealers)
    staff, new_staff = _load_staff(spec.get("staff", ()), units, stores, dealers)
    return Loaded(units, stores, staff, {"units": new_units, "stores": new_stores, "staff": new_staff})


def _walk(node: Spec, level: str, parent: str) -> Iterator[tuple[str, str, Spec]]:
    yield level, parent, node
    if level in CHILDREN:
        key, below = CHILDREN[Level(level)]
        for child in node.get(key, ()):
            yield from _walk(child, below, node["code"])


def _load_units(rows: list[tuple[str, str, Spec]], today: date) -> tuple[dict[str, OrgUnit], int]:
    units = {unit.code: unit for unit in OrgUnit.objects.all()}
    made = 0
    for level in Level.values:  # from the top, so that each level finds its parents' paths
        fresh = [
            OrgUnit(
                level=level,
                code=node["code"],
                name=node["name"],
                parent=units[parent] if parent else None,
                valid_from=node.get("opened_on") or today,
            )
            for own, parent, node in rows
            if own == level and node["code"] not in units
        ]
        OrgUnit.objects.bulk_create(fresh, batch_size=BATCH)
        for unit in fresh:
            unit.path = f"{(unit.parent.path or '') if unit.parent else ''}{unit.pk}/"
            units[unit.code] = unit
        made += len(fresh)
        if fresh:
            with connection.cursor() as cursor:
                cursor.execute(
                    "UPDATE guides_orgunit unit SET path = coalesce(above.path, '') || unit.id || '/'"
                    " FROM guides_orgunit self LEFT JOIN guides_orgunit above ON above.id = self.parent_id"
                    " WHERE self.id = unit.id AND unit.path IS NULL AND unit.level = %s",
                    [level],
                )
    return units, made


def _load_dealers(rows: Any) -> dict[str, Dealer]:
    Dealer.objects.bulk_create([Dealer(**row) for row in rows], ignore_conflicts=True)
    return {dealer.code: dealer for dealer in Dealer.objects.all()}


def _load_stores(
    rows: list[tuple[str, str, Spec]], units: dict[str, OrgUnit], dealers: dict[str, Dealer]
) -> tuple[dict[str, Store], int]:
    stores = {store.code: store for store in Store.objects.select_related("unit")}
    fresh = [
        Store(
            unit=units[node["code"]],
            code=node["code"],
            name=node["name"],
            short_name=node.get("short_name") or node["name"],
            kind=node.get("kind", Store.Kind.SELF_OPERATED),
            dealer=_known(dealers, node["dealer"], _("经销商")) if node.get("dealer") else None,
            opens_at=_time(node.get("opens_at"), time(9, 30)),
            closes_at=_time(node.get("closes_at"), time(22, 0)),
            **{name: node[name] for name in STORE_FACTS if name in node},
        )
        for level, _parent, node in rows
        if level == Level.STORE and node["code"] not in stores
    ]
    Store.objects.bulk_create(fresh, batch_size=BATCH)
    return stores | {store.code: store for store in fresh}, len(fresh)


def _load_staff(
    rows: Any, units: dict[str, OrgUnit], stores: dict[str, Store], dealers: dict[str, Dealer]
) -> tuple[dict[str, Staff], int]:
    staff = {person.wecom_user_id: person for person in Staff.objects.all()}
    fresh: list[tuple[Spec, Staff]] = []
    for number, row in enumerate(rows):
        userid = row["userid"].casefold()
        if row["role"] not in role_names():
            raise Invalid(_("没有这个岗位：%(role)s") % {"role": row["role"]})
        if userid in staff:
            continue
        phone = normal_phone(row["phone"]) if row.get("phone") else ""
        person = Staff(
            wecom_user_id=userid,
            password="!",  # nobody has one until he is given one
            name=row["name"],
            display_name=row.get("display_name") or row["name"],
            unit=_known(units, row["unit"], _("组织")),
            store=stores.get(row["unit"]),
            phone=phone,
            phone_index=blind_index(phone, purpose="phone") if phone else "",
            joined_on=row.get("joined_on"),
            # Steps of 11 through 29: neighbours stand far apart, minute 0 stays free.
            digest_minute=row.get("digest_minute") or 1 + number * 11 % 29,
        )
        staff[userid] = person
        fresh.append((row, person))
    Staff.objects.bulk_create([person for _row, person in fresh], batch_size=BATCH)
    RoleAssignment.objects.bulk_create(
        [
            RoleAssignment(
                staff=person,
                role=row["role"],
                unit=units[row["unit"]],
                dealer=_known(dealers, row["dealer"], _("经销商")) if row.get("dealer") else None,
                starts_on=row.get("starts_on"),
                ends_on=row.get("ends_on"),
            )
            for row, person in fresh
        ],
        batch_size=BATCH,
    )
    _name_backups(fresh, staff)
    return staff, len(fresh)


def _name_backups(fresh: list[tuple[Spec, Staff]], staff: dict[str, Staff]) -> None:
    """Backups go round among a store's guides, or are who the row names; the first guide is the store's duty guide."""
    guides: dict[int, list[Staff]] = defaultdict(list)
    for row, person in fresh:
        if row["role"] == "guide" and person.store_id:
            guides[person.store_id].append(person)
    for mates in guides.values():
        for person, mate in zip(mates, mates[1:] + mates[:1], strict=True):
            person.backup_guide = mate if mate is not person else None
    for row, person in fresh:
        if row.get("backup"):
            person.backup_guide = _known(staff, row["backup"], _("代办人"))
    named = {person.pk: person.backup_guide_id for _row, person in fresh if person.backup_guide_id}
    duty = {store_id: mates[0].pk for store_id, mates in guides.items()}
    with connection.cursor() as cursor:  # one statement each: bulk_update takes half of a large company's time
        cursor.execute(
            "UPDATE guides_staff s SET backup_guide_id = given.mate"
            " FROM unnest(%s::bigint[], %s::bigint[]) given(id, mate) WHERE s.id = given.id",
            [list(named), list(named.values())],
        )
        cursor.execute(
            "UPDATE guides_store s SET duty_guide_id = given.first"
            " FROM unnest(%s::bigint[], %s::bigint[]) given(id, first) WHERE s.id = given.id AND s.duty_guide_id IS NULL",
            [list(duty), list(duty.values())],
        )


def _known(found: Mapping[str, Any], code: str, what: Any) -> Any:
    try:
        return found[code]
    except KeyError:
        raise Invalid(_("%(what)s %(code)s 不存在") % {"what": what, "code": code}) from None


def _time(text: str | None, default: time) -> time:
    return time.fromisoformat(text) if text else default


# User ids of the people of such a company.
MADE_UP = r"^(sup|mgr|gd)[0-9]+$"


def made_up_org(*, branches: int, regions: int, areas: int, stores: int, staff: int) -> Spec:
    """Return the spec of a large invented company, spread evenly: for benches. Numbers are totals."""
    tree: list[dict[str, Any]] = [{"code": f"b{n}", "name": f"分公司{n}", "regions": []} for n in range(branches)]
    region_rows: list[dict[str, Any]] = [{"code": f"r{n}", "name": f"大区{n}", "areas": []} for n in range(regions)]
    area_rows: list[dict[str, Any]] = [{"code": f"a{n}", "name": f"区域{n}", "stores": []} for n in range(areas)]
    people: list[dict[str, Any]] = []
    for number, region in enumerate(region_rows):
        tree[number % branches]["regions"].append(region)
    for number, area in enumerate(area_rows):
        region_rows[number % regions]["areas"].append(area)
        people.append(
            {"userid": f"sup{number}", "name": f"督导{number + 1:03}", "role": "area_supervisor", "unit": area["code"]}
        )
    for number in range(stores):
        code = f"s{number}"
        area_rows[number % areas]["stores"].append({"code": code, "name": f"门店{number}", "city": "南京"})
        people.append({"userid": f"mgr{number}", "name": f"店长{number + 1:04}", "role": "store_manager", "unit": code})
    for number in range(max(0, staff - len(people))):
        name = f"导购{number + 1:04}"
        people.append({"userid": f"gd{number}", "name": name, "role": "guide", "unit": f"s{number % stores}"})
    return {"hq": {"code": "hq", "name": "总部"}, "branches": tree, "staff": people}
