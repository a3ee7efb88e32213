"""What stored value refuses, with the codes programs switch on."""

from django.utils.translation import gettext_lazy as _

from yejibao.core.errors import Conflict, Forbidden, Invalid, NotFound, Stale


class BalanceShort(Conflict):
    code, title = "card.balance_short", _("储值余额不足")


class CardFrozen(Conflict):
    code, title = "card.frozen", _("储值卡已冻结")


class NoCard(NotFound):
    code, title = "card.none", _("还没有储值卡")


class CapPassed(Conflict):
    code, title = "card.limit_5000", _("超过储值卡限额")


class TooYoung(Conflict):
    code, title = "card.under_age", _("未满 18 周岁不能充值")


class RealNameNeeded(Invalid):
    code, title = "card.real_name", _("第一次充值要登记实名")


class NotAnOption(Invalid):
    code, title = "card.no_such_amount", _("没有这个充值档位")


class TopUpWaits(Conflict):
    code, title = "top_up.waits", _("这位会员有一笔充值还没办完")


class TopUpEnded(Conflict):
    code, title = "top_up.ended", _("这笔充值已经结束")


class OldTerms(Stale):
    code, title = "top_up.terms_changed", _("章程有了新版本，请重新看一遍")


class NotTheMember(Forbidden):
    code, title = "perm.top_up.confirm", _("只能由会员本人确认")


class RefundTooMuch(Conflict):
    code, title = "card.refund_too_much", _("退的比用的多")


class AlreadyReversed(Conflict):
    code, title = "ledger.reversed", _("这笔已经冲正过了")


class CannotReverse(Conflict):
    code, title = "ledger.not_reversible", _("这笔不能整笔冲正")


class SameMoneyTwice(Conflict):
    code, title = "ledger.provider_twice", _("这笔支付已经入过账")


class Unbalanced(Invalid):
    code, title = "ledger.unbalanced", _("借贷不平")


class LedgerOff(Conflict):
    code, title = "ledger.out_of_balance", _("账不平，退款暂停")


class RefundWaits(Conflict):
    code, title = "card.refund_waits", _("这张卡已经在退了")


class RefundEnded(Conflict):
    code, title = "card.refund_ended", _("这笔退卡已经有结果了")


class NotAtTheBank(Conflict):
    code, title = "card.refund_not_at_bank", _("这笔退卡没有等着的银行转账")


class BankNumberTwice(Conflict):
    code, title = "card.bank_number_twice", _("这个流水号已经记在另一笔退卡上")


class NothingToRefund(Conflict):
    code, title = "card.nothing_left", _("卡里没有可退的钱")


class BalanceChanged(Stale):
    code, title = "card.balance_changed", _("卡里的余额变了，请重新申请")
