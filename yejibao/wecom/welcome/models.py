"""What became of each welcome code."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class WelcomeMessage(models.Model):
    """One code of one add event. The row is there before the call, so a doubled event greets once."""

    class State(models.TextChoices):
        CALLING = "calling", _("发送中")
        SENT = "sent", _("已送达")
        LATE = "late", _("过了 20 秒")  # reached us, or was answered, too late
        TALKING = "talking", _("已经聊上了")  # 41051: no welcome any more, and none needed
        REFUSED = "refused", _("平台不收")
        UNKNOWN = "unknown", _("结果不明")

    code_sha = models.BinaryField(max_length=32, unique=True)  # the code itself is not kept
    userid = models.CharField(max_length=64)
    external_userid = models.CharField(max_length=64)
    happened_at = models.DateTimeField()  # the platform's instant, whole seconds
    created_at = models.DateTimeField()
    state = models.CharField(max_length=8, choices=State.choices, default=State.CALLING)
    text = models.TextField(blank=True)
    called_at = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    errcode = models.IntegerField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["-created_at"], name="welcome_newest"),
            # the sweep: whose process died in the call
            models.Index(fields=["created_at"], name="welcome_calling", condition=Q(state="calling")),
        ]
