"""Who reads the company's books: `ledger.read` of everything. Its figures alone: `ledger.totals` (access_matrix.yaml)."""

from guides.org import matrix
from yejibao.core.scope import Actor

LEDGER, TOTALS = "ledger.read", "ledger.totals"


def reads_all(actor: Actor) -> bool:
    """Tell whether this actor reads the ledger of the whole company, line by line."""
    return actor.is_system or bool(actor.reach(*matrix.exactly(LEDGER, "all")))


def reads_figures(actor: Actor) -> bool:
    """Tell whether this actor may see what the company's days come to."""
    return reads_all(actor) or bool(actor.reach(*matrix.exactly(TOTALS, "all")))


# Whoever reads the ledger of stores, or their sums: each of the stores in his reach.
TAKINGS_READERS = (*matrix.leaders(LEDGER), *matrix.leaders(TOTALS))
LINE_READERS = matrix.exactly(LEDGER, "all")
FIGURE_READERS = (*LINE_READERS, *matrix.exactly(TOTALS, "all"))
