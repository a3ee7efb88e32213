"""A phone brings what was scored without the net, and takes what another phone changed meanwhile.

Each change names the revision it was made on (`base`) and is the `seq`th of its device. It is taken when nobody else changed
the same thing since: the revision is still `base`, or every change since came from this very device (its answer was lost on
the way). It is a replay when the device's `seq` is known. Else it is a conflict: nothing is written, both values stand on the
phone, and what the person chooses comes again on the newest revision. So a change is applied once however often it is sent,
and none is overwritten unseen.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from yejibao.core import files
from yejibao.core.clock import parse_iso
from yejibao.core.errors import Conflict, DomainError, Invalid
from yejibao.core.files import StoredFile
from yejibao.core.scope import Actor

from ..models import ChecklistItem, Coaching, ItemScore, PatrolPhoto, Synced, Visit
from ..queries import items_of, people_of, topics_of, value_of
from .visiting import ROOM

MOST_CHANGES, MOST_COACHINGS, MOST_PHOTOS_OF_ITEM = 200, 60, 9
OFF_BY = timedelta(minutes=10)  # of a photo's time from the visit (reliability-security §9)
OLD, SEEN = "old", "seen"


class VisitClosed(Conflict):
    """It is handed in or given up; what the phone has stays on the phone."""

    code, title = "patrol.closed", _("这次巡店已经结束了")


class Refused(Exception):
    """One change that cannot be, with the sentence for the person; the others of its batch go on."""


@dataclass
class Outcome:
    """What became of a batch, as the phone reads it."""

    taken: list[list[Any]] = field(default_factory=list)  # [kind, key, seq]
    conflicts: list[dict[str, Any]] = field(default_factory=list)
    refused: list[dict[str, Any]] = field(default_factory=list)


@transaction.atomic
def sync_visit(visit_id: int, said: dict[str, Any], *, actor: Actor, now: datetime) -> tuple[Visit, Outcome]:
    """Apply a batch of changes of one device. Safe to repeat. Raises VisitClosed or Invalid, and then applies nothing."""
    visit = Visit.objects.select_for_update(of=("self",)).select_related("store", "checklist").get(pk=visit_id)
    changes = _read(said)
    outcome = Outcome()
    if visit.state != Visit.State.DRAFT:
        if any(changes.values()):
            raise VisitClosed(_("后来的改动没有写进去，还留在这部手机上。"), state=visit.state)
        return visit, outcome
    batch = _Batch(visit, str(said.get("device", ""))[:36], actor, now, outcome)
    for kind, work in (
        ("items", batch.item),
        ("photos", batch.photo),
        ("gone", batch.gone),
        ("coachings", batch.coaching),
    ):
        for change in changes[kind]:
            key = str(change.get("key", ""))[:48]
            try:
                work(key, change)
            except (Refused, DomainError) as refusal:
                outcome.refused.append({"kind": kind, "key": key, "seq": change.get("seq"), "why": str(refusal)})
            except (KeyError, TypeError, ValueError, AttributeError):
                outcome.refused.append({"kind": kind, "key": key, "seq": change.get("seq"), "why": "这条没看懂"})
    if batch.rev != visit.rev:
        visit.rev = batch.rev
        visit.save(update_fields=["rev"])
    return visit, outcome


def _read(said: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for kind in ("items", "photos", "gone", "coachings"):
        rows = said.get(kind) or []
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise Invalid(_("内容没看懂"))
        found[kind] = rows
    if sum(map(len, found.values())) > MOST_CHANGES:
        raise Invalid(_("一次传得太多"))
    if any(found.values()) and not 8 <= len(str(said.get("device", ""))) <= 36:
        raise Invalid(_("内容没看懂"))
    return found


class _Batch:
    """The changes of one call. `rev` is the visit's once they are applied."""

    def __init__(self, visit: Visit, device: str, actor: Actor, now: datetime, outcome: Outcome) -> None:
        self.visit, self.device, self.now, self.outcome = visit, device, now, outcome
        self.rev, self.staff_id = visit.rev, actor.staff_id or 0
        self.items: dict[str, ChecklistItem] = {item.key: item for item in items_of(visit)}
        self.scores = {row.item_id: row for row in ItemScore.objects.filter(visit=visit).select_related("changed_by")}
        self.people = {person.pk for person in people_of(visit.store)}
        self.topics = set(topics_of(visit))

    def item(self, key: str, change: dict[str, Any]) -> None:
        item = self._item(key)
        row = self.scores.get(item.pk) or ItemScore(visit=self.visit, item=item)
        values = self._item_values(change["value"])
        if self._is_taken(
            "items", key, row, change, same=all(getattr(row, name) == value for name, value in values.items())
        ):
            self._write(row, values)
            self.scores[item.pk] = row

    def coaching(self, key: str, change: dict[str, Any]) -> None:
        row = Coaching.objects.select_related("changed_by").filter(client_id=UUID(key)).first()
        if row is not None and row.visit_id != self.visit.pk:
            raise Refused("编号用过了")
        if row is None and Coaching.objects.filter(visit=self.visit, removed_at=None).count() >= MOST_COACHINGS:
            raise Refused(f"一次最多记 {MOST_COACHINGS} 条带教")
        row = row or Coaching(visit=self.visit, client_id=UUID(key))
        values = self._coaching_values(change["value"])
        is_same = row.pk is not None and all(
            getattr(row, name) == value for name, value in values.items() if name != "removed_at"
        ) and (row.removed_at is None) == (values["removed_at"] is None)  # fmt: skip
        if self._is_taken("coachings", key, row, change, same=is_same):
            self._write(row, values)

    def photo(self, key: str, change: dict[str, Any]) -> None:
        """Let an uploaded photo belong to an item. Again is the same."""
        name, item = UUID(key), self._item(str(change["item"]))
        there = PatrolPhoto.objects.filter(client_id=name).first()
        if there is None:
            if PatrolPhoto.objects.filter(visit=self.visit, item=item, removed_at=None).count() >= MOST_PHOTOS_OF_ITEM:
                raise Refused(f"一项最多 {MOST_PHOTOS_OF_ITEM} 张照片")
            taken_at = parse_iso(str(change["taken_at"]))
            with transaction.atomic():  # a photo that did not arrive leaves no row
                self._add_photo(name, item, taken_at)
            self.rev += 1
        elif there.visit_id != self.visit.pk:
            raise Refused("编号用过了")
        self.outcome.taken.append(["photos", key, change.get("seq", 0)])

    def _add_photo(self, name: UUID, item: ChecklistItem, taken_at: datetime) -> None:
        there = PatrolPhoto.objects.create(
            client_id=name, visit=self.visit, item=item, taken_at=taken_at, received_at=self.now, by_id=self.staff_id,
            visit_rev=self.rev + 1,
        )  # fmt: skip
        (file,) = files.attach([name], room=ROOM, owner_id=there.pk, by_id=self.staff_id)
        if flags := self._flags(file, taken_at):
            there.flags = flags
            there.save(update_fields=["flags"])

    def gone(self, key: str, change: dict[str, Any]) -> None:
        """Take a photo away; one that never arrived is gone too."""
        self.rev += 1
        PatrolPhoto.objects.filter(visit=self.visit, client_id=UUID(key), removed_at=None, purpose="item").update(
            removed_at=self.now, visit_rev=self.rev
        )
        self.outcome.taken.append(["gone", key, change.get("seq", 0)])

    # ------------------------------------------------------------ one rule for all that has a revision

    def _is_taken(self, kind: str, key: str, row: Synced, change: dict[str, Any], *, same: bool) -> bool:
        """Tell whether a change is to be written; say what became of it otherwise."""
        seq, base = int(change["seq"]), int(change["base"])
        is_replay = row.device == self.device and seq <= row.device_seq
        if not is_replay and not (same and row.rev):
            is_clean = base == row.rev or (row.device == self.device and row.device_base <= base <= row.rev)
            if not is_clean:
                self.outcome.conflicts.append({"kind": kind, "key": key, "seq": seq, "theirs": value_of(row)})
                return False
        self.outcome.taken.append([kind, key, seq])
        if is_replay or (same and row.rev):
            return False
        if row.device != self.device:
            row.device, row.device_base = self.device, row.rev
        row.device_seq = seq
        return True

    def _write(self, row: ItemScore | Coaching, values: dict[str, Any]) -> None:
        self.rev += 1
        for name, value in values.items():
            setattr(row, name, value)
        row.rev, row.visit_rev, row.changed_at = row.rev + 1, self.rev, self.now
        row.changed_by_id = self.staff_id
        row.save()

    # ------------------------------------------------------------ what may stand in it

    def _item(self, key: str) -> ChecklistItem:
        if key not in self.items:
            raise Refused("这次巡店没有这一项")
        return self.items[key]

    def _item_values(self, value: dict[str, Any]) -> dict[str, Any]:
        score, is_na = value.get("score"), bool(value.get("is_na"))
        if score is not None and (not isinstance(score, int) or isinstance(score, bool) or not 1 <= score <= 5):
            raise Refused("打分只能是 1 到 5")
        return {
            "score": None if is_na else score, "is_na": is_na, "na_reason": _text(value, "na_reason", 120),
            "problem": _text(value, "problem", 500), "note": _text(value, "note", 500),
            "is_solved": bool(value.get("is_solved")), "owner_id": self._person(value.get("owner")),
        }  # fmt: skip

    def _coaching_values(self, value: dict[str, Any]) -> dict[str, Any]:
        topic, minutes = str(value["topic"]), int(value.get("minutes") or 0)
        guide = self._person(value.get("guide"))
        if topic not in self.topics or guide is None or not 0 < minutes <= 480:
            raise Refused("带教要选人、选主题，时长 1 到 480 分钟")
        item = self._item(str(value["item"])) if value.get("item") else None
        return {
            "topic": topic, "minutes": minutes, "guide_id": guide, "item_id": item.pk if item else None,
            "note": _text(value, "note", 255), "needs_course": bool(value.get("needs_course")),
            "removed_at": self.now if value.get("removed") else None,
        }  # fmt: skip

    def _person(self, pk: Any) -> int | None:
        if not pk:
            return None
        if int(pk) not in self.people:
            raise Refused("这位同事不在这家店了")
        return int(pk)

    def _flags(self, file: StoredFile, taken_at: datetime) -> list[str]:
        """Say what is odd about a photo: not of this visit, or the same picture stood in another one."""
        moments = [taken_at, *([file.taken_at] if file.taken_at else [])]
        flags = [OLD] if any(not self.visit.started_at - OFF_BY <= at <= self.now + OFF_BY for at in moments) else []
        twins = StoredFile.objects.filter(room=ROOM, look=file.look).exclude(pk=file.pk).values("owner_id")
        if file.look and PatrolPhoto.objects.filter(pk__in=twins).exclude(visit=self.visit).exists():
            flags.append(SEEN)
        return flags


def _text(value: dict[str, Any], name: str, most: int) -> str:
    return str(value.get(name) or "").strip()[:most]
