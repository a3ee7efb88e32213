"""What the doctor asks about our people: can the app see them, may they have customers."""

from datetime import datetime, timedelta

from django.db.models import Q

from yejibao.core.models import OutboxMessage
from yejibao.wecom import contacts, doctor
from yejibao.wecom.doctor import Finding, Patient, ok, wrong
from yejibao.wecom.errors import GatewayError
from yejibao.wecom.syncing.models import SyncRun

from .models import RoleAssignment, Staff

SAMPLE = 20  # each costs a call; those with a reason to doubt come first
LATELY = timedelta(days=7)
NOBODY_IN_RANGE = 81013
NAMED = 5


@doctor.check("visible_range", "应用可见范围", order=50, is_online=True)
def _visible_range(patient: Patient) -> Finding:
    active = Staff.objects.filter(state="active")
    suspects = active.filter(wecom_user_id__in=_suspects(patient.now)).order_by("pk")
    people = dict(suspects.values_list("wecom_user_id", "name")[:SAMPLE])
    others = active.exclude(wecom_user_id__in=people).order_by("?").values_list("wecom_user_id", "name")
    people |= dict(others[: SAMPLE - len(people)])
    unseen = [name for userid, name in people.items() if not _is_seen(patient, userid)]
    where = "应用管理 → 自建 → 业绩宝 → 可见范围"
    if not people:
        return wrong("业绩宝里还没有在职人员", "先导入组织和人员", "bin/manage load_org")
    if unseen:
        return wrong(
            f"抽查 {len(people)} 位在职人员，{len(unseen)} 位不在可见范围（{_named(unseen)}），他们收不到提醒也登录不了",
            "把他们所在的部门加进可见范围；离职的先在业绩宝里停用", where,
        )  # fmt: skip
    return ok(f"抽查 {len(people)} 位在职人员，都在范围内")


@doctor.check("customer_scope", "客户联系使用范围", order=120, is_online=True)
def _customer_scope(patient: Patient) -> Finding:
    try:
        allowed = set(contacts.list_followers(patient.gateway))
    except GatewayError as error:
        if error.code in (48001, 48002):
            return doctor.SKIPPED
        raise
    guides = RoleAssignment.objects.filter(role="guide", staff__state="active").values_list(
        "staff__wecom_user_id", "staff__name"
    )
    missing = [name for userid, name in guides if userid.casefold() not in allowed]
    if missing:
        return wrong(
            f"{len(missing)} 位导购没有开通客户联系（{_named(missing)}），不能和会员聊天",
            "把他们加进使用范围", "客户与上下游 → 客户联系 → 权限配置 → 使用范围",
        )  # fmt: skip
    return ok(f"{len(guides)} 位导购都已开通")


def _suspects(now: datetime) -> set[str]:
    """Return whom the last reading of the address book did not find, and whom the platform refused a message lately."""
    refused = OutboxMessage.objects.filter(state=OutboxMessage.State.FAILED, created_at__gt=now - LATELY).filter(
        Q(errcode=NOBODY_IN_RANGE) | Q(errmsg="invaliduser")
    )
    suspects = set(refused.values_list("recipient", flat=True))
    run = SyncRun.objects.filter(kind=SyncRun.Kind.STAFF, state=SyncRun.State.DONE).order_by("-started_at").first()
    if run is not None:
        found = {one for part in run.parts.values_list("found", flat=True) for one in part}
        suspects |= set(Staff.objects.filter(state="active").values_list("wecom_user_id", flat=True)) - found
    return suspects


def _is_seen(patient: Patient, userid: str) -> bool:
    try:
        patient.gateway.get_user(userid)
    except GatewayError as error:
        if error.code in (60011, 60111, 60021):
            return False
        raise
    return True


def _named(names: list[str]) -> str:
    return "、".join(names[:NAMED]) + (" 等" if len(names) > NAMED else "")
