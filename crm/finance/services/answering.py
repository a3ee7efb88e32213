"""What finance does about a break: takes it on, answers it with a reason, books its closing entry."""

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from crm.wallet.models import Account, LedgerEntry, Transfer
from crm.wallet.services import Leg, book
from yejibao.core import audit
from yejibao.core.errors import Conflict, Invalid
from yejibao.core.scope import Actor

from ..models import Break, FinanceDay
from .days import DayClosed, open_difference

Answer, State = Break.Answer, Break.State
DEBIT, CREDIT = LedgerEntry.Side.DEBIT, LedgerEntry.Side.CREDIT
WITHOUT_WORDS = (Answer.BOOKED,)  # the others say what was done, and by whom to be asked


class Answered(Conflict):
    code, title = "finance.break_answered", _("这条差异已经处理过了")


class NotBookable(Invalid):
    code, title = "finance.not_bookable", _("只有资金账单的差异可以做调整分录；同一笔的交易差异写明原因即可")


@transaction.atomic
def take_break(pk: int, *, actor: Actor) -> Break:
    """Become the one who answers for a break."""
    one = _open(pk)
    Break.objects.filter(pk=pk).update(owner_id=actor.staff_id)
    audit.record(actor, "finance.break_taken", one, before={"owner": one.owner_id})
    one.owner_id = actor.staff_id
    return one


@transaction.atomic
def answer_break(pk: int, *, answer: str, note: str, actor: Actor, now: datetime) -> Break:
    """Answer a break with a reason; `booked` also moves its difference between cash_wechat and suspense.

    Raises Answered, DayClosed, NotBookable, Invalid for a reason without words.
    """
    one = _open(pk)
    note = note.strip()
    if answer not in Answer.values:
        raise Invalid(errors=[{"field": "answer", "code": "choice", "message": str(_("选一个处理方式"))}])
    if not note and answer not in WITHOUT_WORDS:
        raise Invalid(errors=[{"field": "note", "code": "required", "message": str(_("写一句查到了什么、怎么办的"))}])
    transfer_id = _book(one, actor=actor, now=now) if answer == Answer.BOOKED else None
    Break.objects.filter(pk=pk).update(
        state=State.ANSWERED, answer=answer, note=note[:255], answered_by_id=actor.staff_id, ended_at=now, transfer_id=transfer_id
    )  # fmt: skip
    day = FinanceDay.objects.get(pk=one.day_id)
    FinanceDay.objects.filter(pk=day.pk).update(difference_fen=open_difference(day))
    audit.record(
        actor, "finance.break_answered", one, reason=note,
        after={"answer": answer, "number": one.number, "difference_fen": one.difference_fen, "transfer": transfer_id},
    )  # fmt: skip
    one.refresh_from_db()
    return one


def _open(pk: int) -> Break:
    """Return an open break with its day held: whoever counts, closes or answers holds the day."""
    day = FinanceDay.objects.select_for_update().get(breaks=pk)
    if day.is_closed:
        raise DayClosed()
    one = Break.objects.get(pk=pk)
    if one.state != State.OPEN:
        raise Answered()
    return one


def _book(one: Break, *, actor: Actor, now: datetime) -> int:
    """Book what the provider has more, or less, than we: cash_wechat against suspense, until somebody knows whose it is."""
    difference = one.difference_fen
    if one.source != Break.Source.FUND or not difference:
        raise NotBookable()
    amount = abs(difference)
    cash, suspense = (DEBIT, CREDIT) if difference > 0 else (CREDIT, DEBIT)
    done = book(
        kind=Transfer.Kind.CLEARING, key=f"finance-break:{one.pk}", subject=f"break:{one.pk}", actor=actor, now=now, provider="break",
        legs=[Leg(Account.CASH_WECHAT, cash, amount), Leg(Account.SUSPENSE, suspense, amount)],
    )  # fmt: skip
    return done.transfer_id
