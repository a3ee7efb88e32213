"""The ledger on one card from 16 connections: the product's services beside pgbench with the same statement.

Every command waits for the one before it: what is measured is how long a statement holds its row. django-hordak (--peers)
keeps no balance, so it holds none.
"""

from bench import ledger
from bench.figures import Options, Report, at_least, at_most, interleaved, median, median_ratio
from bench.peers.beside_hordak import Hordak


def main(options: Options) -> Report:
    rounds, seconds = (3, 3.0) if options.quick else (7, 8.0)
    cards = ledger.Cards(1)
    peer = Hordak(accounts=1, connections=ledger.CONNECTIONS)
    sides = {
        name: ledger.rate_of(side(cards), seconds)
        for name, side in (("ours", ledger.ours), ("one", ledger.one), ("plain", ledger.plain), ("two", ledger.two))
    }
    limit, program = "one", ledger.pgbench(cards, seconds)
    if program is not None:
        limit, sides["pgbench"] = "pgbench", program
    if peer.process is not None:
        sides["hordak"] = peer.turn(seconds)
    for turn in sides.values():
        turn()  # warm
    rates = interleaved(rounds, sides)
    peer.end()
    ratio = median_ratio(rates["ours"], rates[limit])
    return Report(
        value=median(rates["ours"]), unit="transfers/s", limit=median(rates[limit]), ratio=ratio,
        limit_is=f"{'pgbench' if program else 'bare psycopg'} with the same statement, into twins of the tables with the same keys and guards",
        goals=[
            at_least("of pgbench" if program else "of the bare statement", ratio, 0.6),
            at_most("accounts out of balance", ledger.out_of_balance(), 0),
            at_most("replays with another answer", ledger.replayed_otherwise(cards), 0),
        ],
        more={"cards": 1, "connections": ledger.CONNECTIONS, **{f"{name}_per_second": round(median(each)) for name, each in rates.items()}},
    )  # fmt: skip
