"""Who is signed in as a member, on which WeChat account, and through which code he came."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from yejibao.core.scope import Actor


class MemberSession(models.Model):
    """A WeChat account that spoke to us, and whose card it opens. The token itself is nowhere kept, only its hash.

    Without a member it knows an account and nothing else: whoever is new, until his phone tells who he is. It lives on the
    machine's clock, as sessions of staff do.
    """

    class Place(models.TextChoices):
        MINI_PROGRAM = "mini_program", _("小程序")  # `Authorization: Bearer`, for the API
        H5 = "h5", _("网页")  # a cookie, for /my/

    token_hash = models.CharField(max_length=64, unique=True)
    place = models.CharField(max_length=12, choices=Place.choices)
    member = models.ForeignKey(
        "crm.Member", null=True, on_delete=models.CASCADE, related_name="sessions", db_index=False
    )
    openid = models.CharField(max_length=128)  # with its app, as in MemberIdentity: "wx…:o…"
    unionid = models.CharField(max_length=64, blank=True)
    began_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    device = models.CharField(max_length=64, blank=True)
    ip = models.GenericIPAddressField(null=True)
    # The way from the mini-program into its web view: good once, for a minute.
    ticket_hash = models.CharField(max_length=64, blank=True, default="")
    ticket_ends_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["ticket_hash"], condition=~Q(ticket_hash=""), name="member_session_ticket")
        ]
        indexes = [
            models.Index(fields=["member"], name="member_session_member", condition=Q(member__isnull=False)),
            models.Index(fields=["ends_at"], name="member_session_ends"),  # what the night deletes
        ]


class CodeVisitQuerySet(models.QuerySet["CodeVisit"]):
    def visible_to(self, actor: Actor) -> CodeVisitQuerySet:
        """A member his own; staff what came through the codes they look after."""
        from crm.friends.models import ContactWay
        from crm.members.scoped import own_filter

        if actor.kind == "member":
            return self.filter(own_filter(actor))
        return self.filter(way__in=ContactWay.objects.visible_to(actor).values("pk"))


class CodeVisit(models.Model):
    """A WeChat account opened the page of a code that adds a friend: where a newcomer came from, once for each code."""

    way = models.ForeignKey("crm.ContactWay", on_delete=models.CASCADE, related_name="visits", db_index=False)
    openid = models.CharField(max_length=128)
    member = models.ForeignKey(
        "crm.Member", null=True, on_delete=models.CASCADE, related_name="code_visits", db_index=False
    )
    opened_at = models.DateTimeField()  # the last time
    registered_at = models.DateTimeField(null=True)  # he opened his card on the way

    objects = CodeVisitQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["way", "openid"], name="code_visit_once")]
        indexes = [
            models.Index(fields=["member"], name="code_visit_member", condition=Q(member__isnull=False)),
            models.Index(fields=["openid", "-opened_at"], name="code_visit_latest"),  # who registers: came by which
        ]
