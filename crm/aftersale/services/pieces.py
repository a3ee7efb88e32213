"""One open ticket for one sold piece: who asks a second time is led to the first, where it is being worked on."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from crm.orders.models import OrderLine
from yejibao.core.errors import Conflict

from ..models import Ticket
from ..rules import ABOUT_A_PIECE


class PieceHasTicket(Conflict):
    """`ticket` is the open one's id, `number` what people call it."""

    code, title = "ticket.piece_open", _("这一件已经有一张没办完的售后单")
    example = {"ticket": "82d5a645-cbd7-4e76-9bc2-73f6bcc45f98", "number": "AS251121-37"}

    def __init__(self, held: Ticket) -> None:
        said = _("%(number)s（%(kind)s）还没办完，接着在那张里说就行，办完或撤销后可以再提。")
        words = said % {"number": held.number, "kind": held.get_kind_display()}
        super().__init__(words, ticket=str(held.public_id), number=held.number)


def free_piece(kind: str, line: OrderLine | None) -> int | None:
    """Return which of a line's pieces a ticket is about: the first without an open one. None where it is about no piece.

    The line is held until the transaction ends, so that of two who ask for one piece the second is told; the unique key
    is the net. Raises PieceHasTicket.
    """
    if line is None or kind not in ABOUT_A_PIECE:
        return None
    sold = OrderLine.objects.select_for_update(no_key=True).get(pk=line.pk)
    taken = Ticket.objects.unfinished().filter(line=sold, piece_no__isnull=False).order_by("-pk")
    of = {ticket.piece_no: ticket for ticket in taken}
    free = next((number for number in range(1, max(sold.quantity, 1) + 1) if number not in of), None)
    if free is None:
        raise PieceHasTicket(taken[0])
    return free
