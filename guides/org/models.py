"""Units, stores, dealers, people and their roles."""

from __future__ import annotations

from datetime import date, time
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from yejibao.core.personal import EncryptedField

if TYPE_CHECKING:
    from yejibao.core.scope import Actor


class OrgUnitQuerySet(models.QuerySet["OrgUnit"]):
    def visible_to(self, actor: Actor) -> OrgUnitQuerySet:
        """Units within the union of the actor's grants."""
        from .scoped import unit_filter

        return self.filter(unit_filter(actor))

    def below(self, unit: OrgUnit) -> OrgUnitQuerySet:
        """The unit itself and everything under it."""
        return self.filter(path__startswith=unit.path)


class OrgUnit(models.Model):
    """A node of 总部 > 分公司 > 大区 > 区域 > 门店. `path` is `1/12/345/`: "everything below" is one indexed prefix."""

    class Level(models.TextChoices):
        HQ = "hq", _("总部")
        BRANCH = "branch", _("分公司")
        REGION = "region", _("大区")
        AREA = "area", _("区域")
        STORE = "store", _("门店")

    level = models.CharField(max_length=8, choices=Level.choices)
    code = models.CharField(max_length=32, unique=True)
    name = models.CharField(max_length=64)
    parent = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="children")
    path = models.CharField(max_length=128, unique=True, null=True, db_collation="C")  # null only while being created
    wecom_department_id = models.BigIntegerField(null=True)
    valid_from = models.DateField(null=True)
    valid_to = models.DateField(null=True)

    objects = OrgUnitQuerySet.as_manager()

    def __str__(self) -> str:
        return self.name


class OrgUnitMove(models.Model):
    """A unit changed its parent; what happened before stays with the old one."""

    unit = models.ForeignKey(OrgUnit, on_delete=models.CASCADE, related_name="moves")
    from_parent = models.ForeignKey(OrgUnit, null=True, on_delete=models.PROTECT, related_name="+")
    to_parent = models.ForeignKey(OrgUnit, on_delete=models.PROTECT, related_name="+")
    from_path = models.CharField(max_length=128)
    to_path = models.CharField(max_length=128)
    moved_on = models.DateField()
    reason = models.CharField(max_length=255, blank=True)


class Dealer(models.Model):
    """经销商: owns one or more stores."""

    code = models.CharField(max_length=32, unique=True)
    name = models.CharField(max_length=64)
    contract_until = models.DateField(null=True)


class StoreQuerySet(models.QuerySet["Store"]):
    def visible_to(self, actor: Actor) -> StoreQuerySet:
        """Stores within the union of the actor's grants, and those his department goes to."""
        from .scoped import patrolled_filter, store_filter

        return self.filter(store_filter(actor, prefix="") | patrolled_filter(actor))


class Store(models.Model):
    """门店. Its own hours may be narrower than the brand's business hours, never wider."""

    class Kind(models.TextChoices):
        SELF_OPERATED = "self_operated", _("直营")
        DEALER = "dealer", _("经销商")
        JOINT = "joint", _("联营")

    unit = models.OneToOneField(OrgUnit, on_delete=models.PROTECT, related_name="store")
    code = models.CharField(max_length=32, unique=True)
    name = models.CharField(max_length=64)
    short_name = models.CharField(max_length=32)
    kind = models.CharField(max_length=16, choices=Kind.choices, default=Kind.SELF_OPERATED)
    grade = models.CharField(max_length=1, default="C")
    dealer = models.ForeignKey(Dealer, null=True, blank=True, on_delete=models.PROTECT, related_name="stores")
    area_m2 = models.PositiveIntegerField(null=True)
    opened_on = models.DateField(null=True)
    closed_on = models.DateField(null=True)
    decoration_version = models.CharField(max_length=16, blank=True)
    city = models.CharField(max_length=32, blank=True)
    address_short = models.CharField(max_length=64, blank=True)
    opens_at = models.TimeField(default=time(9, 30))
    closes_at = models.TimeField(default=time(22, 0))
    duty_guide = models.ForeignKey("guides.Staff", null=True, on_delete=models.SET_NULL, related_name="+")

    objects = StoreQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(opens_at__gte=time(9, 30), closes_at__lte=time(22, 0), closes_at__gt=models.F("opens_at")),
                name="store_hours_within_business_hours",
            )
        ]

    def __str__(self) -> str:
        return self.short_name


GIVEN_UP = "#"  # behind a user id whose person left and was entered again; no id of the platform has one


class StaffQuerySet(models.QuerySet["Staff"]):
    def visible_to(self, actor: Actor) -> StaffQuerySet:
        """Colleagues an actor may look up: a guide those of her store, a manager those below, HQ all."""
        from .scoped import staff_filter

        return self.filter(staff_filter(actor))

    def answering_to(self, actor: Actor) -> StaffQuerySet:
        """The actor himself and the people whose work is his to look after. For subqueries: `assignee__in=…`."""
        from .scoped import lead_filter

        return self.filter(lead_filter(actor))

    def employed(self) -> StaffQuerySet:
        """Those who have not left and are not barred."""
        return self.filter(state__in=Staff.MAY_SIGN_IN)

    def holding(self, role: str, *, day: date) -> StaffQuerySet:
        """Those who hold a role on a day, wherever."""
        held = RoleAssignment.objects.filter(RoleAssignment.in_force(day), role=role)
        return self.filter(pk__in=held.values("staff_id"))


class StaffManager(BaseUserManager.from_queryset(StaffQuerySet)["Staff"]):  # type: ignore[misc]
    def create_user(self, wecom_user_id: str, password: str | None = None, **facts: Any) -> Staff:
        person = self.model(wecom_user_id=wecom_user_id.lower(), **facts)
        person.set_password(password)
        person.save()
        return person

    def get_by_natural_key(self, username: str | None) -> Staff:
        return self.get(wecom_user_id=(username or "").lower())


class Staff(AbstractBaseUser):
    """A person who signs in. The WeCom user id is kept lower-cased: the platform does not tell case apart."""

    class State(models.TextChoices):
        ACTIVE = "active", _("在职")
        LEAVE = "leave", _("请假中")
        TRANSFERRED = "transferred", _("调店中")
        RESIGNED = "resigned", _("离职")
        DISABLED = "disabled", _("停用")

    MAY_SIGN_IN: ClassVar[tuple[str, ...]] = (State.ACTIVE, State.LEAVE, State.TRANSFERRED)

    wecom_user_id = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=32)
    display_name = models.CharField(max_length=32)
    state = models.CharField(max_length=12, choices=State.choices, default=State.ACTIVE)
    store = models.ForeignKey(Store, null=True, blank=True, on_delete=models.PROTECT, related_name="staff")
    unit = models.ForeignKey(OrgUnit, null=True, on_delete=models.PROTECT, related_name="staff")
    backup_guide = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    phone = EncryptedField(blank=True, default="", index="phone_index")
    phone_index = models.CharField(max_length=32, blank=True, default="", db_index=True)
    joined_on = models.DateField(null=True)
    resigned_at = models.DateTimeField(null=True)
    digest_minute = models.PositiveSmallIntegerField(
        default=7
    )  # minute of the half hour at which digests start; never 0

    USERNAME_FIELD = "wecom_user_id"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]
    objects: ClassVar[StaffManager] = StaffManager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(wecom_user_id=Lower("wecom_user_id")), name="staff_user_id_lower_case"),
            models.CheckConstraint(
                condition=Q(digest_minute__gte=1, digest_minute__lte=29), name="staff_digest_minute"
            ),
        ]
        indexes = [models.Index(fields=["store", "state"], name="staff_store_state")]

    def __str__(self) -> str:
        return self.name

    @property
    def is_active(self) -> bool:  # type: ignore[override]
        return self.state in self.MAY_SIGN_IN


def platform_id(wecom_user_id: str) -> str:
    """Return the id under which the platform knows somebody: whose account another row took over bears a mark after it."""
    return wecom_user_id.partition(GIVEN_UP)[0]


class RoleAssignment(models.Model):
    """A role of a person over a unit, for a time. Several roles are allowed; scope is their union."""

    staff = models.ForeignKey(Staff, on_delete=models.CASCADE, related_name="role_assignments")
    role = models.CharField(max_length=32)
    unit = models.ForeignKey(OrgUnit, on_delete=models.PROTECT, related_name="role_assignments")
    dealer = models.ForeignKey(Dealer, null=True, blank=True, on_delete=models.PROTECT)
    starts_on = models.DateField(null=True)
    ends_on = models.DateField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["staff", "role", "unit"], name="role_staff_unit")]
        indexes = [models.Index(fields=["unit", "role"], name="role_unit")]

    @staticmethod
    def in_force(day: date) -> Q:
        """Return the filter for assignments that hold on a day."""
        return (Q(starts_on=None) | Q(starts_on__lte=day)) & (Q(ends_on=None) | Q(ends_on__gte=day))


class StoreChange(models.Model):
    """调店: a guide works in another store from a day on. Until then she is 调店中."""

    class State(models.TextChoices):
        PLANNED = "planned", _("待生效")
        DONE = "done", _("已生效")
        CANCELLED = "cancelled", _("已取消")

    staff = models.ForeignKey(Staff, on_delete=models.CASCADE, related_name="store_changes")
    from_store = models.ForeignKey(Store, on_delete=models.PROTECT, related_name="+")
    to_store = models.ForeignKey(Store, on_delete=models.PROTECT, related_name="+")
    starts_on = models.DateField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.PLANNED)
    reason = models.CharField(max_length=255, blank=True)
    by = models.ForeignKey(Staff, null=True, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["staff"], condition=Q(state="planned"), name="store_change_one_planned")
        ]


class StaffSession(AbstractBaseSession):
    """A browser that signed in, or is about to. The person stands in a column, so that one query reads both."""

    staff = models.ForeignKey(Staff, null=True, on_delete=models.CASCADE, related_name="sessions")
    seen_at = models.DateTimeField(null=True)  # last used, to five minutes
    began_at = models.DateTimeField(null=True)
    device = models.CharField(max_length=32, blank=True, default="", db_default="")  # "Chrome · Windows 电脑"
    ip = models.GenericIPAddressField(null=True)

    @classmethod
    def get_session_store_class(cls) -> type:
        from .sessions import SessionStore

        return SessionStore


class SecondFactor(models.Model):
    """动态码: what a person's authenticator app shares with us. Without `enrolled_at` it was shown and not yet proven."""

    staff = models.OneToOneField(Staff, on_delete=models.CASCADE, related_name="second_factor")
    secret = EncryptedField()
    enrolled_at = models.DateTimeField(null=True)
    last_step = models.BigIntegerField(default=0)  # half minutes since 1970: a code counts once
    failure_count = models.PositiveSmallIntegerField(default=0)
    locked_until = models.DateTimeField(null=True)
    recovery_codes = models.JSONField(default=list)  # keyed hashes of those not used yet
