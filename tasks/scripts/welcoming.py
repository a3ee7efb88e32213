"""The words of the welcome message: the scripts of 新好友破冰, by name where he is known, inside the platform's 20 seconds."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import DatabaseError

from crm.friends.services import read_customers
from crm.members.models import Member, MemberIdentity
from crm.members.services import members_by
from guides.org.models import Staff
from yejibao.core import clock
from yejibao.wecom import gateway
from yejibao.wecom.events import FriendAdded
from yejibao.wecom.welcome.greeting import Greeting, greet

from .facts import facts_for, own_facts, subject_of_member
from .models import Script
from .rendering import render

log = logging.getLogger("yejibao.welcome")

KIND = "welcome_new_friend"
ASK_WITHIN = timedelta(seconds=6)  # so young an event leaves time to ask the platform who he is before greeting him
ANSWER_WITHIN = 5.0  # seconds it has for that
TO_MEMBERS, TO_STRANGERS = "old_member", "auto"
# A greeting to somebody without a name is no greeting to 您.
_NAMELESS = re.compile(r"您好，?\{member_name\}|\{member_name\}，?您好")


def greet_friends(events: Sequence[FriendAdded]) -> dict[str, int]:
    """Greet new friends that came with a welcome code, once each. Call with no transaction open. Returns counts by state."""
    greetings = [
        Greeting(event.welcome_code, event.userid, event.external_userid, clock.parse_iso(event.at))
        for event in events
        if event.welcome_code
    ]
    return greet(greetings, compose=compose, door=gateway.default()) if greetings else {}


def compose(greetings: Sequence[Greeting]) -> dict[str, str]:
    """Return the text for each code; "" for one of somebody we do not know."""
    now = clock.now()
    known = members_by(MemberIdentity.Kind.EXTERNAL, [one.external_userid for one in greetings])
    unknown = [
        one.external_userid
        for one in greetings
        if one.external_userid not in known and now - one.happened_at < ASK_WITHIN
    ]
    if unknown:
        known |= _ask(unknown, now)
    members = Member.objects.filter(pk__in=set(known.values()), status=Member.Status.ACTIVE).in_bulk()
    userids = {one.userid for one in greetings}
    guides = {one.wecom_user_id: one for one in Staff.objects.filter(wecom_user_id__in=userids).select_related("store")}
    words = {scene: _script(scene) for scene in (TO_MEMBERS, TO_STRANGERS)}
    texts: dict[str, str] = {}
    for one in greetings:
        member = members.get(known.get(one.external_userid, 0))
        guide = guides.get(one.userid)
        texts[one.code] = _text(member, guide, words, now) if guide else ""
    return texts


def _ask(external_user_ids: Sequence[str], now: datetime) -> dict[str, int]:
    """Read who these are; a platform that does not say, or says it too late, keeps nobody from being greeted."""
    try:
        read_customers(external_user_ids, door=gateway.default(), now=now, within=ANSWER_WITHIN)
    except DatabaseError:
        log.exception("new friends could not be noted before the greeting")
        return {}
    return members_by(MemberIdentity.Kind.EXTERNAL, external_user_ids)


def _script(scene: str) -> str:
    """Return the words for a scene: of HQ's scripts in force the first that leans on nothing we do not have."""
    scripts = Script.objects.in_force().filter(task_type=KIND, scene__contains=[scene], requires=[]).order_by("key")
    return scripts.values_list("text", flat=True).first() or ""


def _text(member: Member | None, guide: Staff, words: dict[str, str], now: datetime) -> str:
    if member is not None and member.purchase_count and words[TO_MEMBERS]:
        subject = subject_of_member(member, guide=guide)
        return render(words[TO_MEMBERS], facts_for([subject], now=now)[subject.key]).text
    facts = own_facts(guide)
    text = words[TO_STRANGERS]
    if member is not None:
        facts["member_name"] = member.called
    else:
        text = _NAMELESS.sub("您好", text)
    return render(text, facts).text if text else ""
