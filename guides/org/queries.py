"""Reads across units, people and roles. Set-based: a whole batch in one query."""

from collections.abc import Collection
from datetime import date

from django.db import connection

from .models import Staff

# Who heads a store, from the store itself upwards; one's own request goes to the next.
HEADS = ("store_manager", "area_supervisor", "region_manager", "branch_manager")
# The branch a unit belongs to, read off its path (`1/12/345/`: HQ, branch, what is below); 0 for HQ itself.
BRANCH = "coalesce(nullif(split_part({path}, '/', 2), ''), '0')::int"


def branches_of(user_ids: Collection[str]) -> dict[str, int]:
    """Return the branch each person of ours works in, by user id; who belongs to none (HQ) is left out."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT person.wecom_user_id, {BRANCH.format(path="unit.path")}
            FROM guides_staff person LEFT JOIN guides_store store ON store.id = person.store_id
            JOIN guides_orgunit unit ON unit.id = coalesce(store.unit_id, person.unit_id)
            WHERE person.wecom_user_id = ANY (%s) AND split_part(unit.path, '/', 2) <> ''
            """,
            [list(user_ids)],
        )
        return dict(cursor.fetchall())


def heads_of_stores(store_ids: Collection[int], *, role: str, day: date) -> dict[int, int]:
    """Return the employed holder of a role over each store, or over a unit above it: the nearest, then the longest.

    Stores without one are left out. A person on leave is still the head.
    """
    if not store_ids:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT DISTINCT ON (store.id) store.id, held.staff_id
            FROM guides_store store
            JOIN guides_orgunit unit ON unit.id = store.unit_id
            JOIN guides_roleassignment held
              ON held.role = %(role)s
             AND held.unit_id = ANY (string_to_array(trim(trailing '/' from unit.path), '/')::bigint[])
             AND coalesce(held.starts_on, %(day)s) <= %(day)s AND coalesce(held.ends_on, %(day)s) >= %(day)s
            JOIN guides_orgunit above ON above.id = held.unit_id
            JOIN guides_staff person ON person.id = held.staff_id AND person.state = ANY (%(employed)s)
            WHERE store.id = ANY (%(stores)s)
            ORDER BY store.id, length(above.path) DESC, held.id
            """,
            {"role": role, "day": day, "stores": list(store_ids), "employed": list(Staff.MAY_SIGN_IN)},
        )
        return dict(cursor.fetchall())


def managers_of_stores(store_ids: Collection[int], *, day: date) -> dict[int, int]:
    """Return the store manager of each store that has one."""
    return heads_of_stores(store_ids, role="store_manager", day=day)


def approver_of(person: Staff, *, day: date) -> int | None:
    """Return who decides on a request of a person: the head of his store, never himself; None where nobody is above."""
    if person.store_id is None:
        return None
    for role in HEADS:
        head = heads_of_stores([person.store_id], role=role, day=day).get(person.store_id)
        if head is not None and head != person.pk:
            return head
    return None


def guides_of_stores(store_ids: Collection[int], *, day: date) -> dict[int, list[int]]:
    """Return the employed guides who work in each store on a day, temporary helpers included, longest known first."""
    if not store_ids:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT store.id, array_agg(DISTINCT person.id ORDER BY person.id)
            FROM guides_store store
            JOIN guides_roleassignment held
              ON held.role = 'guide' AND held.unit_id = store.unit_id
             AND coalesce(held.starts_on, %(day)s) <= %(day)s AND coalesce(held.ends_on, %(day)s) >= %(day)s
            JOIN guides_staff person ON person.id = held.staff_id AND person.state = ANY (%(employed)s)
            WHERE store.id = ANY (%(stores)s)
            GROUP BY store.id
            """,
            {"day": day, "stores": list(store_ids), "employed": list(Staff.MAY_SIGN_IN)},
        )
        return dict(cursor.fetchall())
