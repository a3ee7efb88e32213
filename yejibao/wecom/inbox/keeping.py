"""Keeps the platform's last word about things no department of ours owns: groups, corp tags, livings, approvals …

What can be read again is read again, and the moment of reading is its age: events that come late or twice then say nothing
new. What cannot be read (cards, clicks, warnings) goes by the event's own time. Deleted things are marked, never dropped.
"""

import json
from collections.abc import Callable, Container, Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db import connection

from yejibao.core import clock

from .. import gateway
from ..errors import GatewayError, Kind
from ..events import (
    AcquisitionChanged,
    AppEntered,
    ApprovalChanged,
    AppStanding,
    ArchiveAgreed,
    CardClicked,
    ChatChanged,
    CorpTagChanged,
    DepartmentChanged,
    DirectoryTagChanged,
    LivingChanged,
    MenuClicked,
    TransferFailed,
)
from .registry import subscribe

# Newer wins; of two in one second the higher version (where a kind has one, its states only go up).
_NOTE = """
INSERT INTO wecom_mirror AS m (kind, key, state, version, happened_at, deleted_at, facts)
VALUES (%(kind)s, %(key)s, %(state)s, %(version)s, %(at)s, %(deleted_at)s, %(facts)s)
ON CONFLICT (kind, key) DO UPDATE SET state = excluded.state, version = excluded.version,
    happened_at = excluded.happened_at, facts = m.facts || excluded.facts,
    deleted_at = CASE WHEN excluded.deleted_at IS NULL THEN NULL ELSE coalesce(m.deleted_at, excluded.deleted_at) END
WHERE (excluded.happened_at, excluded.version) >= (m.happened_at, m.version)
"""
GONE_CHAT = {40050, 49008}
GONE_DEPARTMENT = {60003, 60123}
GONE_LIVING = {92000, 92001}
NO_APPROVAL = {301025}  # withdrawn or of another template's app: then the event's word stands


def note(
    kind: str, key: str, *, at: datetime, state: str = "", version: int = 0, is_deleted: bool = False,
    facts: Mapping[str, Any] | None = None,
) -> bool:  # fmt: skip
    """Write what is known of a thing as of `at`; return whether it was news. Facts are merged, names of people stay out."""
    values: dict[str, Any] = {
        "kind": kind, "key": key[:128], "state": state[:32], "version": version, "at": at,
        "deleted_at": at if is_deleted else None, "facts": json.dumps(dict(facts or {})),
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_NOTE, values)
        return bool(cursor.rowcount)


def _read_again(read: Callable[[], dict[str, Any]], gone: Container[int]) -> dict[str, Any] | None:
    """Return what the platform says now, {} where the thing is gone, None where this app may not ask."""
    try:
        return read()
    except GatewayError as error:
        if error.code in gone:
            return {}
        if error.kind is Kind.ADMIN:
            return None
        raise


# ---------------------------------------------------------------- read again


@subscribe(ChatChanged)
def keep_chats(events: list[ChatChanged]) -> None:
    door = gateway.default()
    for chat_id, last in _latest(events, lambda event: event.chat_id).items():
        asked_at = clock.now()
        body = {"chat_id": chat_id, "need_name": 0}
        answer = _read_again(lambda: door.post("externalcontact/groupchat/get", body), GONE_CHAT)  # noqa: B023
        if answer is None:
            note("chat", chat_id, at=_at(last), state=last.what, is_deleted=last.what == "dismiss")
            continue
        chat = answer.get("group_chat") or {}
        members = chat.get("member_list") or []
        facts = {
            "owner": str(chat.get("owner", "")).casefold(), "member_version": chat.get("member_version", ""),
            "members": len(members), "customers": sum(1 for one in members if one.get("type") == 2),
        }  # fmt: skip
        note("chat", chat_id, at=asked_at, state="open" if chat else "dismissed", is_deleted=not chat,
             facts=facts if chat else {})  # fmt: skip


@subscribe(CorpTagChanged)
def keep_corp_tags(events: list[CorpTagChanged]) -> None:
    """One call for all: an id that is not in the answer is gone, and with a group its tags."""
    door, asked_at = gateway.default(), clock.now()
    asks_all = any(not event.tag_id for event in events)
    groups = sorted({event.tag_id for event in events if event.is_group and event.tag_id})
    tags = sorted({event.tag_id for event in events if not event.is_group and event.tag_id})
    answers: list[dict[str, Any]] = []
    if asks_all:
        answers.append({})
    else:  # a group id makes the platform overlook the tag ids beside it
        answers += [{"group_id": groups}] if groups else []
        answers += [{"tag_id": tags}] if tags else []
    found: set[str] = set()
    for body in answers:
        for group in door.post("externalcontact/get_corp_tag_list", body)["tag_group"]:
            found.add(str(group["group_id"]))
            note("tag_group", str(group["group_id"]), at=asked_at, is_deleted=bool(group.get("deleted")),
                 facts={"name": group.get("group_name", ""), "order": group.get("order", 0)})  # fmt: skip
            for tag in group.get("tag") or ():
                found.add(str(tag["id"]))
                note("tag", str(tag["id"]), at=asked_at, is_deleted=bool(tag.get("deleted")),
                     facts={"name": tag.get("name", ""), "order": tag.get("order", 0), "group_id": group["group_id"]})  # fmt: skip
    for kind, ids in (("tag_group", groups), ("tag", tags)):
        for missing in set(ids) - found:
            note(kind, missing, at=asked_at, is_deleted=True)
            if kind == "tag_group":
                _mark_tags_of(missing, asked_at)


def _mark_tags_of(group_id: str, at: datetime) -> None:
    """With a group its tags are gone; no event tells of them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE wecom_mirror SET deleted_at = %(at)s, happened_at = %(at)s WHERE kind = 'tag' AND deleted_at IS NULL"
            " AND happened_at <= %(at)s AND facts ->> 'group_id' = %(group)s",
            {"at": at, "group": group_id},
        )


@subscribe(LivingChanged)
def keep_livings(events: list[LivingChanged]) -> None:
    door = gateway.default()
    for living_id, last in _latest(events, lambda event: event.living_id).items():
        asked_at = clock.now()
        answer = _read_again(lambda: door.get("living/get_living_info", livingid=living_id), GONE_LIVING)  # noqa: B023
        info = (answer or {}).get("living_info")
        status = int(info.get("status", last.status)) if info else last.status
        note("living", living_id, at=asked_at if info else _at(last), state=str(status), version=status,
             is_deleted=answer == {} or status == 4,
             facts={"userid": str(info.get("anchor_userid", last.userid)).casefold() if info else last.userid})  # fmt: skip


@subscribe(ApprovalChanged)
def keep_approvals(events: list[ApprovalChanged]) -> None:
    door = gateway.default()
    for (origin, number), last in _latest(events, lambda event: (event.origin, event.number)).items():
        asked_at = clock.now()
        status = 0
        if origin == "sys":
            answer = _read_again(lambda: door.post("oa/getapprovaldetail", {"sp_no": number}), NO_APPROVAL)  # noqa: B023
            status = int(((answer or {}).get("info") or {}).get("sp_status") or 0)
        else:
            answer = _read_again(lambda: door.post("corp/getopenapprovaldata", {"thirdNo": number}), NO_APPROVAL)  # noqa: B023
            status = int(((answer or {}).get("data") or {}).get("OpenSpstatus") or 0)
        note("approval", f"{origin}/{number}", at=asked_at if status else _at(last), state=str(status or last.status),
             version=status or last.status, facts={"template": last.template_id, "userid": last.applicant})  # fmt: skip


@subscribe(DepartmentChanged)
def keep_departments(events: list[DepartmentChanged]) -> None:
    door = gateway.default()
    for number, last in _latest(events, lambda event: event.department_id).items():
        asked_at = clock.now()
        answer = _read_again(lambda: door.get("department/get", id=number), GONE_DEPARTMENT)  # noqa: B023
        department = (answer or {}).get("department") or {}
        facts = {"parent_id": int(department["parentid"])} if department else {}
        note("department", str(number), at=_at(last) if answer is None else asked_at, state=last.what,
             is_deleted=not department if answer is not None else last.what == "delete", facts=facts)  # fmt: skip


# ---------------------------------------------------------------- believed as told


@subscribe(DirectoryTagChanged)
def keep_directory_tags(events: list[DirectoryTagChanged]) -> None:
    for event in events:
        note("directory_tag", event.tag_id, at=_at(event), state="changed")


@subscribe(TransferFailed)
def keep_failed_transfers(events: list[TransferFailed]) -> None:
    for event in events:
        note("transfer", f"{event.external_userid}/{event.userid}", at=_at(event), state=event.reason)


@subscribe(AcquisitionChanged)
def keep_acquisition(events: list[AcquisitionChanged]) -> None:
    """The last thing that happened to a link, and to the balance of them all (a warning HQ should see)."""
    for event in events:
        note("acquisition", event.link_id or "balance", at=_at(event), state=event.what,
             is_deleted=event.what == "delete_link", facts={"state": event.state, "userid": event.userid})  # fmt: skip


@subscribe(ArchiveAgreed)
def keep_agreements(events: list[ArchiveAgreed]) -> None:
    for event in events:
        note("archive", f"{event.external_userid}/{event.userid}", at=_at(event), state="agreed")


@subscribe(CardClicked)
def keep_clicks(events: list[CardClicked]) -> None:
    """The last press of a card by a person; a ResponseCode works once and is not kept."""
    for event in events:
        note("card", f"{event.task_id}/{event.userid}"[-128:], at=_at(event), state=event.key,
             facts={"choices": event.choices, "agent_id": event.agent_id})  # fmt: skip


@subscribe(AppEntered)
def keep_visits(events: list[AppEntered]) -> None:
    for userid, last in _latest(events, lambda event: event.userid).items():
        note("visit", userid, at=_at(last), state="entered")


@subscribe(MenuClicked)
def keep_menu_clicks(events: list[MenuClicked]) -> None:
    for userid, last in _latest(events, lambda event: event.userid).items():
        note("menu", userid, at=_at(last), state=last.what, facts={"key": last.key[:256]})


@subscribe(AppStanding)
def keep_standing(events: list[AppStanding]) -> None:
    for event in events:
        note("app", str(event.agent_id), at=_at(event), state=event.what, facts={"effect_at": event.effect_at})


def _at(event: Any) -> datetime:
    return clock.parse_iso(event.at)


def _latest(events: Iterable[Any], key: Callable[[Any], Any]) -> dict[Any, Any]:
    """Return the newest event of each thing."""
    newest: dict[Any, Any] = {}
    for event in sorted(events, key=lambda event: event.at):
        newest[key(event)] = event
    return newest
