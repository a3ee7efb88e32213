"""A small storm on the ledger: commands doubled, connections cut, and not a fen adrift. The large one: bin/bench ledger_storm."""

import pytest

from bench.ledger_storm import make_cards, storm
from yejibao.core.clock import parse_iso

COMMANDS = 1_500


@pytest.mark.django_db(transaction=True)
def test_no_fen_is_adrift_after_a_storm() -> None:
    outcome = storm(commands=COMMANDS, cards=make_cards(12, now=parse_iso("2026-11-20 12:00")), workers=6, seed=11)
    assert (outcome.drift_fen, outcome.negative, outcome.done_twice, outcome.differing_answers, outcome.unanswered) == (
        0,
        0,
        0,
        0,
        0,
    )
    assert outcome.is_in_balance
    # It was a storm: many were sent twice, many lost their connection, and most were done.
    assert outcome.commands < 0.75 * COMMANDS and outcome.cuts > 0.08 * outcome.commands
    assert len(outcome.answers) > 0.7 * outcome.commands and outcome.readings > 3
