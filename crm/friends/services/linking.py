"""Who a friend is: by what is known of him, then by his UnionID, then by the phone in the guide's remark.

Signs that point to different members are a question for a person, and asked once (`LinkReview`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction
from django.utils.translation import gettext_lazy as _

from crm.events import FriendChanged
from crm.friends.models import Contact, LinkReview
from crm.members.models import FriendLink, Member, MemberIdentity
from crm.members.services import IdentityTaken, claim_identity, give_identities
from yejibao.core import audit, outbox
from yejibao.core.errors import NotFound
from yejibao.core.scope import Actor

Kind = MemberIdentity.Kind
Reason = LinkReview.Reason
FRIENDS = (FriendLink.State.FRIEND, FriendLink.State.PENDING_TRANSFER)


class NotTheirs(NotFound):
    code, title = "friend.not_yours", _("这位不是你的微信好友")


@dataclass(frozen=True)
class Signs:
    """What points from a customer to members."""

    external_user_id: str
    contact_id: int
    unionid: str
    guide_id: int  # of the newest relation
    held: int | None  # by his id, or by a relation that is linked
    by_unionid: int | None
    by_phone: tuple[int, ...]
    settled: frozenset[int]  # members a person has said something about before

    def judge(self) -> tuple[int | None, str, list[int]]:
        """Return the member to link, and where a person is to be asked the reason and the candidates."""
        if self.held and self.by_unionid and self.held != self.by_unionid:
            return None, Reason.UNIONID_DIFFERS, [self.held, self.by_unionid]
        sure = self.held or self.by_unionid
        others = [one for one in self.by_phone if one != sure]
        if sure:
            differs = bool(others) and sure not in self.by_phone
            return sure, Reason.PHONE_DIFFERS if differs else "", [sure, *others] if differs else []
        if len(others) > 1:
            return None, Reason.PHONES, others
        if others and others[0] in self.settled:  # somebody said that it is not he
            return None, "", []
        return (others[0] if others else None), "", []


def link_contacts(external_user_ids: Iterable[str], *, now: datetime) -> dict[str, int]:
    """Link customers to members as far as their signs agree, ask about the others. Returns counts. Safe to run twice."""
    ids = sorted(set(external_user_ids))
    if not ids:
        return {}
    tally: Counter[str] = Counter()
    with transaction.atomic():
        linked: dict[str, tuple[int, str]] = {}
        asked: list[LinkReview] = []
        for signs in read_signs(ids):
            member, reason, candidates = signs.judge()
            if member:
                linked[signs.external_user_id] = (member, signs.unionid)
            if reason and not set(candidates) <= signs.settled:
                asked.append(
                    LinkReview(
                        contact_id=signs.contact_id,
                        guide_id=signs.guide_id,
                        reason=reason,
                        candidate_ids=candidates,
                        created_at=now,
                    )  # fmt: skip
                )
        tally["linked"] = len(_link({key: member for key, (member, _unionid) in linked.items()}))
        give_identities(Kind.EXTERNAL, [(key, member) for key, (member, _) in linked.items()], source="wecom", now=now)
        give_identities(
            Kind.UNIONID, [(unionid, member) for member, unionid in linked.values()], source="wecom", now=now
        )
        tally["asked"] = _ask(asked)
    return dict(tally)


def _ask(reviews: Sequence[LinkReview]) -> int:
    """Open these questions, one a customer: where one is open already it stays as it is. Returns how many are new."""
    if not reviews:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO crm_linkreview (contact_id, guide_id, reason, candidate_ids, state, created_at)
            SELECT contact, guide, reason, candidates::bigint[], 'open', at
            FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::timestamptz[])
                 AS r(contact, guide, reason, candidates, at)
            ON CONFLICT (contact_id) WHERE state = 'open' DO NOTHING
            """,
            [
                [one.contact_id for one in reviews],
                [one.guide_id for one in reviews],
                [str(one.reason) for one in reviews],
                ["{" + ",".join(map(str, one.candidate_ids)) + "}" for one in reviews],
                [one.created_at for one in reviews],
            ],
        )
        return cursor.rowcount


def read_signs(external_user_ids: Sequence[str]) -> list[Signs]:
    """Return the signs of customers who are somebody's friends, with one statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT c.external_user_id, c.id, c.unionid, rel.guide_id, coalesce(ext.member_id, rel.member_id), uni.member_id,
                   coalesce(ph.ids, '{}'), coalesce(settled.ids, '{}')
            FROM crm_contact c
            JOIN LATERAL (
                SELECT (array_agg(f.guide_id ORDER BY f.added_at DESC, f.id DESC))[1] AS guide_id,
                       min(f.member_id) AS member_id, array_agg(f.id) AS ids
                FROM crm_friendlink f WHERE f.external_user_id = c.external_user_id AND f.state = ANY(%(friends)s)
            ) rel ON rel.guide_id IS NOT NULL
            LEFT JOIN crm_memberidentity ext ON ext.kind = 'external_user_id' AND ext.value = c.external_user_id
            LEFT JOIN crm_memberidentity uni ON uni.kind = 'unionid' AND uni.value = c.unionid AND c.unionid <> ''
            LEFT JOIN LATERAL (
                SELECT array_agg(DISTINCT found.id ORDER BY found.id) AS ids
                FROM crm_friendlink f CROSS JOIN LATERAL unnest(f.phone_indexes) AS p(value)
                CROSS JOIN LATERAL (
                    SELECT i.member_id AS id FROM crm_memberidentity i WHERE i.kind = 'phone' AND i.value = p.value
                    UNION SELECT m.id FROM crm_member m
                        WHERE m.phone_index = p.value AND m.phone_index <> '' AND m.status = 'active'
                ) found
                WHERE f.id = ANY(rel.ids)
            ) ph ON true
            LEFT JOIN LATERAL (
                SELECT array_agg(DISTINCT one) AS ids FROM crm_linkreview r CROSS JOIN LATERAL unnest(r.candidate_ids) AS u(one)
                WHERE r.contact_id = c.id AND r.state <> 'open'
            ) settled ON true
            WHERE c.external_user_id = ANY(%(ids)s) ORDER BY c.external_user_id
            """,
            {"ids": list(external_user_ids), "friends": [str(one) for one in FRIENDS]},
        )
        return [
            Signs(external, pk, unionid, guide, held, uni, tuple(phones), frozenset(settled))
            for external, pk, unionid, guide, held, uni, phones, settled in cursor.fetchall()
        ]


def _link(members: dict[str, int]) -> list[tuple[int, int]]:
    """Write the member on the relations of these customers; tell of those that are friends and new. In order of ids."""
    if not members:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH wanted AS (
                SELECT f.id, w.member FROM unnest(%s::text[], %s::bigint[]) AS w(external, member)
                JOIN crm_friendlink f ON f.external_user_id = w.external AND f.member_id IS DISTINCT FROM w.member
                ORDER BY f.id FOR UPDATE OF f
            )
            UPDATE crm_friendlink f SET member_id = w.member FROM wanted w WHERE f.id = w.id
            RETURNING f.member_id, f.guide_id, f.state, f.added_at
            """,
            [list(members), list(members.values())],
        )
        changed = cursor.fetchall()
    outbox.publish_many(
        FriendChanged(member, guide, state, at.isoformat()) for member, guide, state, at in changed if state == "friend"
    )
    return [(member, guide) for member, guide, _state, _at in changed]


@transaction.atomic
def link_contact(external_user_id: str, member: Member, *, actor: Actor, now: datetime, reason: str = "") -> FriendLink:
    """Say that a customer is this member: his guide beside the chat, or whoever decides on a review.

    The guide must be his friend and see the member's card. Raises NotTheirs, NotFound, or IdentityTaken where the customer
    is known as somebody else already: then the two have to become one first.
    """
    links = FriendLink.objects.filter(external_user_id=external_user_id, state__in=FRIENDS)
    decides = actor.is_system or actor.may("member.change_owner")
    link = (links if decides else links.filter(guide_id=actor.staff_id)).order_by("pk").first()
    if link is None:
        raise NotTheirs()
    if not actor.is_system and not Member.objects.visible_to(actor).filter(pk=member.pk).exists():
        raise NotFound()
    if MemberIdentity.objects.filter(kind=Kind.EXTERNAL, value=external_user_id).exclude(member=member).exists():
        raise IdentityTaken()
    claim_identity(member, kind=Kind.EXTERNAL, value=external_user_id, source="guide", now=now)
    contact = Contact.objects.filter(external_user_id=external_user_id).first()
    if contact and contact.unionid:
        give_identities(Kind.UNIONID, [(contact.unionid, member.pk)], source="wecom", now=now)
    _link({external_user_id: member.pk})
    audit.record(actor, "friend.linked", link, after={"member": member.pk}, reason=reason)
    link.member = member
    return link


@transaction.atomic
def unlink_contact(external_user_id: str, *, actor: Actor, now: datetime, reason: str) -> int:
    """Take a link back: the customer is nobody known again. Returns how many relations lost their member."""
    links = list(
        FriendLink.objects.select_for_update(of=("self",))
        .select_related("member")
        .filter(external_user_id=external_user_id, member__isnull=False)
        .order_by("pk")
    )
    if not links:
        return 0
    names = [
        external_user_id,
        *Contact.objects.filter(external_user_id=external_user_id).values_list("unionid", flat=True),
    ]
    MemberIdentity.objects.filter(
        kind__in=[Kind.EXTERNAL, Kind.UNIONID], value__in=[one for one in names if one], member=links[0].member
    ).delete()
    FriendLink.objects.filter(pk__in=[link.pk for link in links]).update(member=None)
    audit.record(actor, "friend.unlinked", links[0], before={"member": links[0].member_id}, reason=reason)
    return len(links)
