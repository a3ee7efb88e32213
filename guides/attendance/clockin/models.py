"""Where a store's people clock in, what they pressed, and what the day came to: 正常, 迟到 or 缺卡."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from yejibao.core.personal import EncryptedField

from . import geo

if TYPE_CHECKING:
    from yejibao.core.scope import Actor


class Datum(models.TextChoices):
    GCJ02 = geo.GCJ02, "GCJ-02"
    WGS84 = geo.WGS84, "WGS-84"


class Side(models.TextChoices):
    IN = "in", _("上班")
    OUT = "out", _("下班")


# ---------------------------------------------------------------- places


class StoreFence(models.Model):
    """打卡点: where a store is. Compared in GCJ-02; what was typed or measured is kept beside it with its own datum."""

    store = models.OneToOneField("guides.Store", on_delete=models.CASCADE, related_name="fence")
    latitude = models.FloatField()
    longitude = models.FloatField()
    given_latitude = models.FloatField()
    given_longitude = models.FloatField()
    given_datum = models.CharField(max_length=5, choices=Datum.choices)
    radius_m = models.PositiveSmallIntegerField(null=True)  # null: the brand's (clock-radius)
    since = models.DateField()  # first set: from the day after on, who does not clock in here has a 缺卡
    set_by = models.ForeignKey("guides.Staff", null=True, on_delete=models.SET_NULL, related_name="+")
    set_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(latitude__range=(-90, 90), longitude__range=(-180, 180)), name="fence_is_somewhere"
            ),
            models.CheckConstraint(condition=Q(radius_m=None) | Q(radius_m__range=(50, 1000)), name="fence_radius"),
        ]

    @property
    def point(self) -> geo.Point:
        return geo.Point(self.latitude, self.longitude)


class StoreWifi(models.Model):
    """A Wi-Fi station of a store: who is connected to it is there. `bssid` as 00:1a:2b:3c:4d:5e."""

    store = models.ForeignKey("guides.Store", on_delete=models.CASCADE, related_name="wifis")
    bssid = models.CharField(max_length=17)
    label = models.CharField(max_length=32, blank=True)
    set_by = models.ForeignKey("guides.Staff", null=True, on_delete=models.SET_NULL, related_name="+")
    set_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["store", "bssid"], name="store_wifi_once")]


class LocationConsent(models.Model):
    """单独同意: somebody lets clocking in take his place at the tap (PIPL art. 29). Without one in force nothing is taken."""

    staff = models.ForeignKey("guides.Staff", on_delete=models.CASCADE, related_name="+")
    version = models.CharField(max_length=16)
    given_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["staff"], condition=Q(ended_at=None), name="location_consent_one")
        ]


# ---------------------------------------------------------------- what was pressed


class PunchQuerySet(models.QuerySet["ClockPunch"]):
    def visible_to(self, actor: Actor) -> PunchQuerySet:
        """Punches of days one reads (attendance.read)."""
        from .scoped import own_or_led

        return self.filter(own_or_led(actor))


class ClockPunch(models.Model):
    """One press that was taken, or one the platform tells of. Append-only: a mistake is mended by a correction.

    `place` holds where it was, encrypted, as `gcj latitude,longitude;raw latitude,longitude;datum`: whole for 180 days, then
    a 100 m grid (reliability-security §9). Only at the tap, never between. `flags` are for eyes, no machine judges by them.
    """

    class Way(models.TextChoices):
        PLACE = "place", _("定位")
        WIFI = "wifi", _("门店 Wi-Fi")
        CORRECTION = "correction", _("补卡")
        PLATFORM = "platform", _("企业微信打卡")

    staff = models.ForeignKey("guides.Staff", on_delete=models.PROTECT, related_name="punches")
    store = models.ForeignKey("guides.Store", on_delete=models.PROTECT, related_name="+")
    day = models.DateField()  # the local day it counts for
    side = models.CharField(max_length=3, choices=Side.choices)
    at = models.DateTimeField()  # by the server's clock; of a correction, the moment that was approved
    way = models.CharField(max_length=12, choices=Way.choices)
    counts = models.BooleanField(default=True)  # False: the platform saw it somewhere else
    distance_m = models.PositiveIntegerField(null=True)
    accuracy_m = models.FloatField(null=True)
    place = EncryptedField(null=True)
    place_index = models.CharField(max_length=32, blank=True, default="")  # the very same spot is found again
    is_coarse = models.BooleanField(default=False)
    device_index = models.CharField(max_length=32, blank=True, default="")  # one phone for two people is found
    flags = ArrayField(models.CharField(max_length=16), default=list, blank=True)
    source_key = models.CharField(
        max_length=64, null=True
    )  # what makes a second one of the same: nonce, or the platform's
    recorded_at = models.DateTimeField()

    objects = PunchQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["source_key"], name="punch_source_once"),
            # Two taps at once leave one: the first of a day is what counts.
            models.UniqueConstraint(
                fields=["staff", "day"], condition=Q(side="in", way__in=("place", "wifi")), name="punch_in_once"
            ),
        ]
        indexes = [
            models.Index(fields=["staff", "day"], name="punch_of_day"),
            models.Index(fields=["day", "device_index"], name="punch_device", condition=~Q(device_index="")),
            # coarsen(): what still stands with its whole place
            models.Index(fields=["at"], name="punch_whole_place", condition=Q(is_coarse=False, place__isnull=False)),
        ]


# ---------------------------------------------------------------- what the day came to


class RecordQuerySet(models.QuerySet["ClockRecord"]):
    def visible_to(self, actor: Actor) -> RecordQuerySet:
        """Days one reads (attendance.read): own, store, area, a dealer's stores; 零售部 what is out of order."""
        from .scoped import record_filter

        return self.filter(record_filter(actor))


class ClockRecord(models.Model):
    """One person's day, from the punches that count and the roster of that day. No row: nothing was pressed, nothing is over."""

    class State(models.TextChoices):
        NORMAL = "normal", _("正常")
        LATE = "late", _("迟到")
        MISSING = "missing", _("缺卡")

    staff = models.ForeignKey("guides.Staff", on_delete=models.PROTECT, related_name="clock_records")
    store = models.ForeignKey("guides.Store", on_delete=models.PROTECT, related_name="+")
    day = models.DateField()
    state = models.CharField(max_length=8, choices=State.choices)
    starts_at = models.DateTimeField(null=True)  # what lateness was judged by; null: nothing was due that day
    in_at = models.DateTimeField(null=True)
    out_at = models.DateTimeField(null=True)
    way = models.CharField(max_length=12, choices=ClockPunch.Way.choices, blank=True, default="")
    late_minutes = models.PositiveSmallIntegerField(default=0)
    flags = ArrayField(models.CharField(max_length=16), default=list, blank=True)
    judged_at = models.DateTimeField()

    objects = RecordQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["staff", "day"], name="clock_record_once"),
            models.CheckConstraint(
                condition=Q(state="missing", in_at=None) | (~Q(state="missing") & Q(in_at__isnull=False)),
                name="clock_record_missing_has_no_punch",
            ),
            models.CheckConstraint(
                condition=Q(state="late", late_minutes__gt=0) | (~Q(state="late") & Q(late_minutes=0)),
                name="clock_record_late_minutes",
            ),
            models.CheckConstraint(condition=Q(out_at=None) | Q(in_at=None) | Q(out_at__gte=F("in_at")), name="clock_record_out_later"),
        ]  # fmt: skip
        indexes = [models.Index(fields=["day", "store"], name="clock_record_day")]


# ---------------------------------------------------------------- asked afterwards


class CorrectionQuerySet(models.QuerySet["ClockCorrection"]):
    def visible_to(self, actor: Actor) -> CorrectionQuerySet:
        """One's own, and those of the people one leads."""
        from .scoped import own_or_led

        return self.filter(own_or_led(actor))

    def with_people(self) -> CorrectionQuerySet:
        return self.select_related("staff", "store", "approval")


class ClockCorrection(models.Model):
    """补卡 and 外勤: a punch that was forgotten or not taken, with a reason; it counts once it is approved."""

    class Sort(models.TextChoices):
        FORGOT = "forgot", _("忘了打卡")
        PLACE = "place", _("定位不准")
        OUTSIDE = "outside", _("外出办事")
        PHONE = "phone", _("手机没电、坏了")
        OTHER = "other", _("其他")

    class State(models.TextChoices):
        ASKED = "asked", _("待审批")
        APPROVED = "approved", _("已补")
        REFUSED = "refused", _("没同意")
        WITHDRAWN = "withdrawn", _("已撤回")
        EXPIRED = "expired", _("过期没批")

    staff = models.ForeignKey("guides.Staff", on_delete=models.PROTECT, related_name="clock_corrections")
    store = models.ForeignKey("guides.Store", on_delete=models.PROTECT, related_name="+")
    day = models.DateField()
    side = models.CharField(max_length=3, choices=Side.choices)
    at = models.DateTimeField()  # the moment that is claimed; of 外勤, of the asking
    sort = models.CharField(max_length=8, choices=Sort.choices)
    reason = models.CharField(max_length=200)
    distance_m = models.PositiveIntegerField(null=True)  # how far off she stood, where a place was taken
    flags = ArrayField(models.CharField(max_length=16), default=list, blank=True)
    approval = models.OneToOneField("guides.Approval", null=True, on_delete=models.PROTECT, related_name="+")
    state = models.CharField(max_length=10, choices=State.choices, default=State.ASKED)
    asked_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True)

    objects = CorrectionQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["staff", "day", "side"], condition=Q(state="asked"), name="clock_correction_one_waits"
            )
        ]
        indexes = [
            models.Index(fields=["staff", "-day"], name="clock_correction_of"),
            models.Index(fields=["store", "asked_at"], name="clock_correction_waits", condition=Q(state="asked")),
        ]
