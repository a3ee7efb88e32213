"""What stands in a member's own copy of stored value: how he is registered, his card and its movements, what he had paid out."""

from crm.benefits.models import BenefitUse
from crm.members.models import Member
from crm.wallet.models import CardHolder, CardRefund, Transfer, Wallet
from yejibao.core import words

from .copying import SHOWN, Rows, section


@section("储值卡", "卡号尾", "状态", "本金", "赠金", "开卡时间", order=47)
def _cards(member: Member) -> Rows:
    for one in Wallet.objects.filter(member=member).order_by("-opened_at", "-pk"):
        amounts = (words.yuan_exact(one.principal_fen), words.yuan_exact(one.gift_fen))
        yield one.card_no[-4:], one.get_state_display(), *amounts, one.opened_at


@section("储值实名登记", "姓名", "证件号", "联系电话", "登记时间", "保存到", order=48)
def _registered(member: Member) -> Rows:
    for one in CardHolder.objects.filter(member=member):
        yield one.name, one.id_number, one.contact, one.recorded_at, one.keep_until


@section("储值流水", "时间", "事项", "本金", "赠金", order=49)
def _movements(member: Member) -> Rows:
    for one in Transfer.objects.filter(wallet__member=member).order_by("-pk")[:SHOWN]:
        amounts = (words.yuan_exact(one.principal_fen), words.yuan_exact(one.gift_fen))
        yield one.at, one.get_kind_display(), *amounts


@section("退卡", "申请时间", "状态", "退款", "户名", "账号", "你说的原因", order=49)
def _paid_out(member: Member) -> Rows:
    for one in CardRefund.objects.filter(wallet__member=member).order_by("-asked_at", "-pk"):
        paid = words.yuan_exact(one.pay_fen)
        yield one.asked_at, one.state_said, paid, one.payee_name, one.payee_account, one.reason


@section("用过的等级权益", "时间", "权益", "哪一年第几次", order=46)
def _benefits(member: Member) -> Rows:
    for one in BenefitUse.objects.filter(member=member).order_by("-at", "-pk")[:SHOWN]:
        said = "，已退回" if one.given_back_at else ""
        yield one.at, one.get_kind_display(), f"{one.year} 年第 {one.nth} 次{said}"
