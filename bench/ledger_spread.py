"""The ledger on 10,000 cards from 16 connections: the product's services beside the same statement from bare psycopg.

Also beside the same work in two statements, pgbench with the same statement, and django-hordak with the same legs and with its
shorter transfer of two (--peers).
"""

from bench import ledger
from bench.figures import Options, Report, at_least, at_most, interleaved, median, median_ratio
from bench.peers.beside_hordak import Hordak

CARDS = 10_000


def main(options: Options) -> Report:
    rounds, seconds = (3, 3.0) if options.quick else (7, 8.0)
    cards = ledger.Cards(CARDS)
    peer = Hordak(accounts=200, connections=ledger.CONNECTIONS)
    sides = {
        name: ledger.rate_of(side(cards), seconds)
        for name, side in (("ours", ledger.ours), ("one", ledger.one), ("plain", ledger.plain), ("two", ledger.two))
    }
    if (program := ledger.pgbench(cards, seconds)) is not None:
        sides["pgbench"] = program
    if peer.process is not None:
        sides |= {"hordak": peer.turn(seconds), "hordak_two_legs": peer.turn(seconds, "two")}
    for turn in sides.values():
        turn()  # warm
    rates = interleaved(rounds, sides)
    peer.end()
    ratio = median_ratio(rates["ours"], rates["one"])
    goals = [
        at_least("of the bare statement", ratio, 0.8), at_least("times two statements", median_ratio(rates["ours"], rates["two"]), 1.1),
        at_most("accounts out of balance", ledger.out_of_balance(), 0), at_most("replays with another answer", ledger.replayed_otherwise(cards), 0),
    ]  # fmt: skip
    if "hordak" in rates:
        goals.append(at_least("times django-hordak, the same legs", median_ratio(rates["ours"], rates["hordak"]), 4))
    return Report(
        value=median(rates["ours"]), unit="transfers/s", limit=median(rates["one"]), ratio=ratio, goals=goals,
        limit_is="the same statement from bare psycopg, into twins of the tables with the same keys and guards",
        more={"cards": CARDS, "connections": ledger.CONNECTIONS, **{f"{name}_per_second": round(median(each)) for name, each in rates.items()}},
    )  # fmt: skip
