"""What the boards show: figures by guide or unit, the names behind one of them, what waits for a decision."""

from .board import Board, board_of
from .drill import Drill, drill_of, field_filter, named_tasks
from .export import export_lines
from .units import open_unit, trail_of
from .waiting import Waiting, waiting_for

__all__ = [
    "Board", "Drill", "Waiting", "board_of", "drill_of", "export_lines", "field_filter",
    "named_tasks", "open_unit", "trail_of", "waiting_for",
]  # fmt: skip
