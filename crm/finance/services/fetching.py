"""Fetches a day's bills and keeps their lines, without the payers. The same bill again changes nothing."""

import hashlib
import logging
from datetime import date, datetime

from django.utils.translation import gettext_lazy as _

from yejibao.core import clock
from yejibao.wechatpay import account, gateway
from yejibao.wechatpay.errors import NO_BILL, PayError

from ..models import Bill, BillLine, FinanceDay
from .reading import READERS, NotABill, Read

log = logging.getLogger(__name__)

READY_HOUR = 10  # of the next day; before it no bill is not an empty bill
BATCH = 2000


class NoBillYet(Exception):
    """The provider has not written the bill, did not answer, or wrote something else. `why` is for the screen."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


def fetch(day: date, *, now: datetime) -> dict[str, tuple[bytes, Read]]:
    """Return the day's bills by kind: digest and lines. Calls the platform; no transaction open. Raises NoBillYet."""
    if not account.is_on():
        return {}
    door, found = gateway.default(), {}
    calls = {Bill.Kind.TRADE: door.trade_bill, Bill.Kind.FUND: door.fund_flow_bill}
    for kind, call in calls.items():
        try:
            content = call(day)
            found[str(kind)] = (hashlib.sha256(content).digest(), READERS[kind](content))
        except NotABill as error:
            log.warning("finance: %s bill of %s is not readable: %s", kind, day, error)
            raise NoBillYet(str(_("账单格式读不懂"))) from None
        except PayError as error:
            if error.code not in NO_BILL:
                raise NoBillYet(str(_("微信支付没有给账单"))) from None
            if _is_early(day, now) or error.code == "STATEMENTCREATING":
                raise NoBillYet(str(_("账单还没生成"))) from None
            found[str(kind)] = (b"", Read((), 0, 0, 0))  # nothing happened on that day
    return found


def _is_early(day: date, now: datetime) -> bool:
    local = now.astimezone(clock.SHANGHAI)
    return (local.date() - day).days < 1 or ((local.date() - day).days == 1 and local.hour < READY_HOUR)


def keep(day: FinanceDay, bills: dict[str, tuple[bytes, Read]], *, now: datetime) -> None:
    """Write the bills of a day that is locked by the caller."""
    for kind, (digest, read) in bills.items():
        held = day.bills.filter(kind=kind).first()
        if held is not None and bytes(held.digest) == digest:
            continue
        if held is not None:
            held.delete()  # the provider wrote it anew
        bill = Bill.objects.create(
            day=day, kind=kind, digest=digest, lines_count=len(read.lines), in_fen=read.in_fen, out_fen=read.out_fen,
            fee_fen=read.fee_fen, fetched_at=now,
        )  # fmt: skip
        BillLine.objects.bulk_create(
            (
                BillLine(
                    bill=bill, line_no=number, kind=line.kind, number=line.number[:64], platform_id=line.platform_id[:64],
                    amount_fen=line.amount_fen, fee_fen=line.fee_fen, state=line.state[:16], at=line.at,
                )
                for number, line in enumerate(read.lines, start=1)
            ),
            batch_size=BATCH,
        )  # fmt: skip
