"""A guide's favourites and her own wordings; the nightly count of what was used."""

from datetime import datetime, timedelta

from django.db import connection, transaction
from django.utils.translation import gettext_lazy as _

from crm.members.models import Member
from yejibao.core.errors import Forbidden, Invalid, NotFound
from yejibao.core.scope import Actor

from .models import Script, ScriptFavourite, ScriptUse
from .words import LABEL, NODE_LABELS, VARIABLE, labels_to_variables, link_variables, unsaid, used_variables, variables

OWN_UP_TO = 300  # characters of one wording
OWN_PIECES = 100  # wordings of one guide
COUNTED_DAYS = 90


@transaction.atomic
def set_favourite(script_key: str, *, actor: Actor, is_favourite: bool, now: datetime) -> bool:
    """Put a script among the actor's favourites or take it out; return how it stands. Twice is like once."""
    if not Script.objects.visible_to(actor).in_force().filter(key=script_key).exists():
        raise NotFound()
    mine = ScriptFavourite.objects.visible_to(actor).filter(script_key=script_key)
    if is_favourite:
        ScriptFavourite.objects.bulk_create(
            [ScriptFavourite(guide_id=_person(actor), script_key=script_key, created_at=now)], ignore_conflicts=True
        )
    else:
        mine.delete()
    return is_favourite


@transaction.atomic
def note_said(member: Member, *, script_key: str, text: str, actor: Actor, now: datetime) -> ScriptUse:
    """Keep which words a guide said in the chat outside any task. No task is done by it."""
    script = Script.objects.in_force().filter(key=script_key).first() if script_key else None
    return ScriptUse.objects.create(
        script=script, script_key=script_key if script else "", member=member, guide_id=_person(actor),
        text="" if script else text, at=now,
    )  # fmt: skip


@transaction.atomic
def keep_own_words(
    *, actor: Actor, text: str, now: datetime, node: str = "", mine: ScriptFavourite | None = None
) -> ScriptFavourite:
    """Keep a wording of the actor's own, new or instead of `mine`. 〔称呼〕 in the text stands for a value.

    Raises Invalid with what the text may not say.
    """
    text, faults = as_written(text)
    if node and node not in NODE_LABELS:
        faults.append("没有这个节点")
    if mine is None and ScriptFavourite.objects.visible_to(actor).filter(script_key="").count() >= OWN_PIECES:
        faults.append(f"最多留 {OWN_PIECES} 条，先删几条不用的")
    if faults:
        raise Invalid(
            "；".join(faults), errors=[{"field": "text", "code": "words", "message": fault} for fault in faults]
        )
    if mine is None:
        return ScriptFavourite.objects.create(guide_id=_person(actor), text=text, node=node, created_at=now)
    mine.text, mine.node = text, node
    mine.save(update_fields=["text", "node"])
    return mine


def _person(actor: Actor) -> int:
    """Return whose favourites these are; the system has none."""
    if actor.staff_id is None:
        raise Forbidden(permission="script.own")
    return actor.staff_id


def as_written(text: str) -> tuple[str, list[str]]:
    """Return the text with variables for labels, and what keeps it from being kept."""
    known = labels_to_variables()
    faults = [f"认不得〔{label}〕" for label in LABEL.findall(text) if label not in known]
    kept = LABEL.sub(lambda found: f"{{{known[found[1]]}}}" if found[1] in known else found[0], text.strip())
    faults += [f"认不得变量「{name}」" for name in sorted(used_variables(kept) - set(variables()))]
    if any(mark in VARIABLE.sub("", kept) for mark in "{}"):
        faults.append("花括号请去掉")
    if used_variables(kept) & link_variables():
        faults.append("链接请在发送时再贴")
    if len(text) > OWN_UP_TO:
        faults.append(f"太长了，{OWN_UP_TO} 字以内")
    return kept, faults + unsaid(kept)


def delete_own_words(mine: ScriptFavourite, *, actor: Actor) -> None:
    """Throw away a wording of the actor's own. Raises NotFound for anybody else's."""
    if mine.guide_id != actor.staff_id or mine.script_key:
        raise NotFound(_("这条话术已经删了"))
    mine.delete()


@transaction.atomic
def count_uses(*, now: datetime) -> int:
    """Write on each current script how many members read it in the last 90 days and how many replied within 48 h.

    Source of the 48 hours: models.yaml reply_rate.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE tasks_script s SET used_90_count = coalesce(u.used, 0), replied_90_count = coalesce(u.replied, 0),
                                      counted_at = %(now)s
            FROM tasks_script k
            LEFT JOIN (
                SELECT script_key, count(DISTINCT member_id) AS used,
                       count(DISTINCT member_id) FILTER (WHERE replied_at - at <= interval '48 hours') AS replied
                FROM tasks_scriptuse WHERE at > %(since)s AND at <= %(now)s AND script_key <> ''
                GROUP BY script_key
            ) u ON u.script_key = k.key
            WHERE k.id = s.id AND s.is_current
            """,
            {"now": now, "since": now - timedelta(days=COUNTED_DAYS)},
        )
        return cursor.rowcount
