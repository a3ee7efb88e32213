"""Made to measure: an appointment, his measures, his word, the making, the garment."""

from .booking import (
    BookedAlready,
    SlotGone,
    TooLate,
    book_fitting,
    cancel_fitting,
    end_missed,
    make_room,
    mark_no_show,
    move_fitting,
)
from .keeping import MemberFirst, note
from .making import (
    confirm_by_member,
    default_promise,
    delay_making,
    hand_over,
    link_line,
    mark_of,
    mark_ready,
    send_back,
    start_making,
)
from .measuring import Doubtful, GarmentOrder, Taken, garment_words, measure_member
from .planning import save_day, save_plan
from .serving import GuideBusy, follow_roster, serving_names, take

__all__ = [
    "BookedAlready",
    "Doubtful",
    "GarmentOrder",
    "GuideBusy",
    "MemberFirst",
    "SlotGone",
    "Taken",
    "TooLate",
    "book_fitting",
    "cancel_fitting",
    "confirm_by_member",
    "default_promise",
    "delay_making",
    "end_missed",
    "follow_roster",
    "garment_words",
    "hand_over",
    "link_line",
    "make_room",
    "mark_no_show",
    "mark_of",
    "mark_ready",
    "measure_member",
    "move_fitting",
    "note",
    "save_day",
    "save_plan",
    "send_back",
    "serving_names",
    "start_making",
    "take",
]
