"""Why a push did not arrive, in words for the person who has to do something about it. The code comes second.

Sources: the platform's table of errcodes, and reliability-security §6 for what becomes of each.
"""

from dataclasses import dataclass, replace

from django.db.models import Case, CharField, F, Q, Value, When
from django.db.models.functions import Cast

from yejibao.core.outbox.deciding import HELD
from yejibao.core.outbox.models import OutboxMessage
from yejibao.wecom.errors import ADMIN_CODES

State = OutboxMessage.State


@dataclass(frozen=True)
class Cause:
    """`resend`: now (heals by itself), after (somebody changes a setting first), unsure (it may have arrived), never."""

    key: str
    what: str
    todo: str
    resend: str = "after"
    code: str = ""

    @property
    def is_resendable(self) -> bool:
        """Tell whether one button may send all of these again without harm."""
        return self.resend in ("now", "after")

    @property
    def tone(self) -> str:
        """Return the colour of its dot: red where a person has to act first."""
        return "amber" if self.resend == "now" else ""


def _causes(*rows: tuple[str, str, str, str]) -> dict[str, Cause]:
    return {key: Cause(key, what, todo, resend, "" if key.isalpha() else key) for key, what, todo, resend in rows}


CAUSES = _causes(
    ("81013", "收件人不在应用可见范围", "让企业微信管理员把这些人加回应用的可见范围，再重发", "after"),
    ("invaliduser", "收件人不在应用可见范围，或账号不在了", "在职的加回可见范围再重发；离职的关闭", "after"),
    ("unlicenseduser", "收件人没有激活接口账号", "在企业微信后台给这些人激活账号，再重发", "after"),
    ("60011", "应用没有权限发给这些人", "在企业微信后台把这些人的部门加进应用权限，再重发", "after"),
    ("60020", "服务器 IP 不在白名单", "在企业微信后台把新服务器的 IP 加进「企业可信 IP」，再重发", "after"),
    ("43012", "应用没有设置接收消息的地址，带按钮的卡片发不出去", "在企业微信后台给应用设置「接收消息」，再重发", "after"),
    ("48002", "应用没有开通发消息的接口", "在企业微信后台给应用开通「发送应用消息」，再重发", "after"),
    ("48001", "应用没有这个接口的权限", "在企业微信后台给应用开通「发送应用消息」，再重发", "after"),
    ("301002", "应用编号和密钥不是一对", "让信息中心核对应用编号（AgentId）和密钥，再重发", "after"),
    ("40056", "应用编号不对", "让信息中心核对应用编号（AgentId），再重发", "after"),
    ("40013", "企业编号不对，拿不到令牌", "让信息中心核对企业编号（CorpId）；改好后会自己发出去", "after"),
    ("40091", "应用密钥不对，拿不到令牌", "让信息中心核对应用密钥；改好后会自己发出去", "after"),
    ("40001", "应用密钥不对，或令牌失效", "令牌会自动换；一直这样，让信息中心核对密钥", "now"),
    ("40014", "令牌失效", "令牌已自动换过，重发即可", "now"),
    ("42001", "令牌过期", "令牌已自动换过，重发即可", "now"),
    ("42012", "令牌过期", "令牌已自动换过，重发即可", "now"),
    ("45009", "调用太快，被企业微信限流", "已放慢，重发即可", "now"),
    ("45033", "同时调用太多，被企业微信限流", "已放慢，重发即可", "now"),
    ("45011", "调用太快，被企业微信限流", "已放慢，重发即可", "now"),
    ("45036", "调用次数用完了", "等额度恢复，再重发", "now"),
    ("-1", "企业微信系统忙，没给准信", "可能已经送到；问一下本人，没收到再重发", "unsure"),
    ("unknown", "三小时没等到回执，可能已经送到", "问一下本人；没收到再重发，收到了就关闭", "unsure"),
    ("render", "消息没拼出来", "交给信息中心看，修好后重发", "after"),
    ("40008", "消息格式不对", "交给信息中心看，修好后重发", "after"),
    ("44004", "消息内容是空的", "交给信息中心看，修好后重发", "after"),
    ("45002", "消息内容太长", "交给信息中心看，修好后重发", "after"),
    ("82001", "没有收件人", "收件人账号是空的，核对后关闭", "never"),
    ("40003", "企业微信里没有这个人", "核对这个人的企业微信账号；离职的关闭", "never"),
    ("46004", "企业微信里没有这个人", "核对这个人的企业微信账号；离职的关闭", "never"),
    ("60111", "企业微信里没有这个人", "核对这个人的企业微信账号；离职的关闭", "never"),
    ("hand", "有人叫停了", "看是谁、为什么叫停的，再重发或关闭", "after"),
    ("84061", "会员已删除导购，不是客户了", "任务改打电话；30 天内没加回就停", "never"),
)  # fmt: skip


def cause_of(key: str) -> Cause:
    """Return a cause by its key; one nobody wrote down yet is told by its code."""
    if key in CAUSES:
        return CAUSES[key]
    if key.lstrip("-").isdecimal():
        return Cause(key, "企业微信拒绝了这条消息", "按错误码查企业微信的说明，修好后重发", "after", key)
    return Cause("other", "没发出去，原因不明", "交给信息中心看日志，再决定重发或关闭", "after")


WAITS_FOR_SOMEBODY = ("40013", "40091", "40001")  # no token to be had: it heals by a person's hand, then by itself


def while_retried(cause: Cause) -> Cause:
    """Return what to say of a cause while the system still tries again by itself."""
    if cause.key == "unknown":
        return replace(cause, what="企业微信没回应", todo="用同一条内容再试，三小时内不会发两遍")
    if cause.key in WAITS_FOR_SOMEBODY:
        return cause
    return replace(cause, todo="会自己再试，不用管")


# The key as SQL, so that lists, counts and the buttons behind them always speak of the same rows.
CAUSE = Case(
    When(errmsg__in=["invaliduser", "unlicenseduser"], then=F("errmsg")),
    When(errmsg=HELD, then=Value("hand")),
    When(errmsg__startswith="render:", then=Value("render")),
    When(Q(first_unknown_at__isnull=False) & ~Q(errcode__in=[*ADMIN_CODES, 48001, 48002], errcode__isnull=False),
         then=Value("unknown")),
    When(errcode__isnull=False, then=Cast("errcode", CharField())),
    default=Value("other"),
    output_field=CharField(),
)  # fmt: skip
