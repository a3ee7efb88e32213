"""What becomes of cards when two members become one, and how long what the law wants is kept.

The ledger, the cards and the real-name register stay when a member asks to be forgotten: the register for five years after the
last top-up (商务部令2012年第9号), the books for their term; without the member's row they name nobody else. Nobody is forgotten
who still has money on a card.
"""

from datetime import datetime, timedelta

from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from yejibao.core.clock import local_day
from yejibao.core.errors import Conflict
from yejibao.core.scope import Actor
from yejibao.core.wearing import wear_out

from .models import CardHolder, Wallet
from .queries import live_wallet
from .services.steps import move

# Of the tables that hold a member, what stays with the one who goes: what the kept one has himself.
HAS_A_CARD = (
    "t.state IN ('active', 'frozen') AND EXISTS (SELECT 1 FROM crm_wallet k "
    "WHERE k.member_id = %(kept)s AND k.state IN ('active', 'frozen'))"
)
TOPS_UP = (
    "t.state IN ('asked', 'confirmed') AND EXISTS (SELECT 1 FROM crm_topup k "
    "WHERE k.member_id = %(kept)s AND k.state IN ('asked', 'confirmed'))"
)
IS_REGISTERED = "EXISTS (SELECT 1 FROM crm_cardholder k WHERE k.member_id = %(kept)s)"


class BothHaveMoney(Conflict):
    code, title = "member.two_cards", _("两位会员的储值卡里都有钱，先给其中一张退卡，再合并")


def make_room(kept: int, gone: int, now: datetime) -> None:
    """See to it that of two cards the one with money goes on. Raises BothHaveMoney."""
    mine, other = live_wallet(kept), live_wallet(gone)
    if mine is None or other is None or not other.total_fen:
        return
    if mine.total_fen:
        raise BothHaveMoney()
    move(mine, Wallet.State.REPLACED, actor=Actor.system(), now=now, why="合并会员，用另一张卡")


wear_out("crm_cardrefund", "asked_at", timedelta(days=1827), "payee_name = '', payee_account = '', payee_last4 = ''")


def forget_holders(*, now: datetime) -> int:
    """Take whoever's five years are over, and who has no money with us, off the register. Return how many."""
    over = CardHolder.objects.filter(keep_until__lt=local_day(now))
    with_money = Wallet.objects.filter(Q(principal_fen__gt=0) | Q(gift_fen__gt=0))
    gone, _by_table = over.exclude(member__wallets__in=with_money).delete()
    return gone
