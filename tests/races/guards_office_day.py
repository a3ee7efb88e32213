"""The guards of questions to HQ, votes, meetings, shared files and uploads."""

from .declaring import again, guard, lock
from .stories import office_day

_HELP, _MEET = "guides/helpdesk/services", "guides/meetings/services"

GUARDS = [
    guard("questions: taken by one", f"{_HELP}/answering.py:_lock", lock(), office_day.two_who_take_a_question),
    guard("questions: closed or asked again", f"{_HELP}/asking.py:lock_as_speaker", lock(), office_day.rated_while_it_is_closed),
    guard("questions: rung by one beat", f"{_HELP}/ringing.py:_ring_batch", lock(), office_day.two_beats_ring),
    guard("questions: a category as one saw it", f"{_HELP}/categories.py:change_category", lock(), office_day.two_who_edit_a_category),
    guard("votes: ballots by one beat", "guides/votes/services.py:_hand_out_some", lock(), office_day.two_beats_hand_out),
    guard("votes: cast one after the other", "guides/votes/services.py:cast", lock(), office_day.a_vote_is_cast_while_it_is_withdrawn),
    guard("meetings: told by one beat", f"{_MEET}/coming.py:_tell_some", lock(), office_day.two_beats_tell),
    guard("meetings: reminded by one beat", f"{_MEET}/coming.py:remind", lock(), office_day.two_beats_remind),
    guard("meetings: called off once", f"{_MEET}/planning.py:call_off", lock(), office_day.two_who_call_off),
    guard("files: each use counts", "guides/drive/services.py:note_use", again(), office_day.two_uses_at_once),
]  # fmt: skip

REASONS = {
    "guides/helpdesk/loading.py:load_categories": "once an installation, by hand; twice is like once",
    f"{_HELP}/answering.py:release": "an event is handed over once; the same lock as _lock",
    f"{_HELP}/answering.py:keep_answer": "a question has one draft by its constraint; the later words stand",
    f"{_HELP}/ringing.py:close_forgotten": "safe to run twice: what is closed is not answered any more",
    "guides/votes/services.py:withdraw_vote": "the same lock as cast, and only a moment is written",
    "guides/drive/services.py:load_folders": "once an installation, by hand; twice is like once",
    "guides/drive/services.py:put_file": "a new version; the later one stands, and each is counted",
    "guides/drive/services.py:_bring": "what the platform says now, written over what it said; twice is like once",
    "yejibao/core/files/keeping.py:attach": "the rows of one uploader, by himself; a second owner finds none (NotUploaded)",
    "yejibao/core/files/keeping.py:_delete": "deleted twice is deleted; bytes that are gone are no error",
}
