"""The guards of what comes from the platform and goes there: friends, tags, transfers, callbacks, sweeps, welcomes."""

from .declaring import advisory, again, alone, condition, guard, lock, on_conflict, turned
from .stories import callbacks, chat_tags, friends, handing, tags
from .taking_out import replaced, sql, unique


def fence() -> sql:
    """The token of a claim of a callback."""
    return condition(r'"wecom_inboxentry"\."claim_token" IN \(%s\)')


WAYS = [
    guard("codes: a guide's once", "crm/friends/services/ways.py:want_way",
          unique("crm_contactway", "way_one_a_guide"), friends.a_guides_code_wanted_twice),
    guard("codes: a store's once", "crm/friends/services/ways.py:want_way",
          unique("crm_contactway", "way_one_a_store"), friends.a_stores_code_wanted_twice),
    guard("codes: everyone's leave out what is there", "crm/friends/services/ways.py:want_everyones", on_conflict(),
          friends.a_code_is_wanted_while_everyones_are),
    guard("codes: retired once", "crm/friends/services/ways.py:retire_way", lock(), friends.a_code_retired_twice),
    guard("codes: brought about by one", "crm/friends/services/ways.py:_claim", lock(), friends.two_who_bring_codes_about),
    guard("codes: made by whose lease it is", "crm/friends/services/ways.py:_still_ours",
          condition(r"lease_until = %s(?= AND retired_at)"), friends.a_code_made_by_who_was_asleep),
    guard("codes: what was retired stays so", "crm/friends/services/ways.py:_write",
          condition(r'"crm_contactway"\."retired_at" IS NULL'), friends.a_code_is_retired_while_it_is_made),
]  # fmt: skip

FRIENDS = [
    guard("customers: a stranger twice is no error", "crm/friends/services/arriving.py:mark_stale", again(),
          friends.two_events_of_a_stranger),
    guard("customers: read twice is no error", "crm/friends/services/reading.py:_CONTACTS", again(),
          friends.a_stranger_read_twice),
    guard("friends: read twice is no error", "crm/friends/services/reading.py:_LINKS", again(),
          friends.a_new_friend_read_twice),
    guard("friends: an event or a reading tells of him", "crm/friends/services/arriving.py:follow_added",
          alone("crm.friends.services.arriving", "mark_stale"), friends.a_new_friend_told_and_read),
    guard("friends: one relation of two", "crm/members/services/friends.py:record_friend",
          unique("crm_friendlink", "friend_guide_external"), friends.a_new_friend_told_twice),
    guard("friends: a stranger lost twice is no error", "crm/members/services/friends.py:end_friend", on_conflict(),
          friends.a_stranger_lost_twice),
    guard("friends: whom nobody follows is ended once", "crm/friends/services/reading.py:_end_gone", lock(),
          friends.one_nobody_follows_read_twice),
    guard("friends: ended in one order, by what is read", "crm/friends/services/reading.py:_end_gone", turned(),
          friends.what_nobody_follows_is_locked_in_one_order),
    guard("friends: a sweep ends what is still there", "crm/friends/services/reading.py:end_unseen", lock(),
          friends.he_deletes_her_while_a_sweep_ends),
    guard("friends: ended in one order, by sweeps", "crm/friends/services/reading.py:end_unseen", turned(),
          friends.two_sweeps_end_in_one_order),
    guard("friends: linked once", "crm/friends/services/linking.py:_link", lock(), friends.a_friend_linked_twice),
    guard("friends: linked in one order", "crm/friends/services/linking.py:_link", turned(),
          friends.friends_are_linked_in_one_order),
    guard("friends: a link taken back once", "crm/friends/services/linking.py:unlink_contact", lock(),
          friends.a_link_taken_back_twice),
    guard("friends: links taken back in one order", "crm/friends/services/linking.py:unlink_contact", turned(),
          friends.links_are_taken_back_in_one_order),
    guard("friends: one card of two taps", "crm/members/services/registering.py:register_member",
          unique("crm_member", "member_number"), friends.a_card_opened_for_him_twice),
    guard("reviews: a question twice is no error", "crm/friends/services/linking.py:_ask", on_conflict(),
          friends.a_question_asked_twice),
    guard("reviews: a question once", "crm/friends/services/linking.py:_ask",
          (unique("crm_linkreview", "review_one_open"), on_conflict()), friends.a_question_asked_twice),
    guard("reviews: one answer", "crm/friends/services/reviewing.py:decide_review", lock(), friends.two_who_say_who_he_is),
    guard("reviews: an answer taken back once", "crm/friends/services/reviewing.py:undo_review", lock(),
          friends.an_answer_taken_back_twice),
]  # fmt: skip

MEMBERS = [
    guard("names: noted twice is no error", "crm/members/services/identities.py:note_identities", on_conflict(),
          handing.names_noted_twice),
    guard("names: of one member", "crm/members/services/identities.py:claim_identity",
          unique("crm_memberidentity", "identity_kind_value"), handing.a_name_claimed_for_two),
    guard("names: who has one keeps it", "crm/members/services/identities.py:give_identities", on_conflict(),
          handing.a_name_given_to_two),
    guard("merging: one merge of two", "crm/members/services/merging.py:merge_members",
          alone("crm.members.services.merging", "lock_members"), handing.two_merge_each_into_the_other),
    guard("merging: undone once", "crm/members/services/merging.py:undo_merge", lock(), handing.a_merge_undone_twice),
    guard("merging: undone while the kept one stands", "crm/members/services/merging.py:undo_merge",
          alone("crm.members.services.merging", "lock_members"), handing.a_merge_is_undone_while_the_kept_one_goes),
]  # fmt: skip

TRANSFERS = [
    guard("transfers: one is open", "crm/members/services/passing_on.py:plan", on_conflict(),
          handing.a_transfer_planned_twice),
    guard("transfers: one of a hand-over", "crm/members/services/passing_on.py:plan_handover", on_conflict(),
          handing.a_handover_planned_twice),
    guard("transfers: tried again once", "crm/members/services/passing_on.py:plan_again", on_conflict(),
          handing.a_transfer_tried_again_twice),
    guard("transfers: one a relation", "crm/members/services/passing_on.py:plan",
          (unique("crm_friendtransfer", "transfer_one_open"), on_conflict()), handing.a_transfer_planned_twice),
    guard("transfers: asked for by one", "crm/members/services/transfers.py:_claim", lock(),
          handing.two_who_ask_for_a_transfer),
    guard("transfers: what was refused does not go over", "crm/members/services/transfers.py:_settle", lock(),
          handing.he_refuses_while_results_are_read),
    guard("transfers: who went over does not refuse", "crm/members/services/transfers.py:note_failure", lock(),
          handing.he_goes_over_while_a_refusal_is_told),
    guard("transfers: an answer moves what waits for it", "crm/members/services/transfers.py:_note",
          condition(r'"crm_friendtransfer"\."state" = %s'), handing.he_refuses_before_the_answer_is_written),
    guard("transfers: a no ends what waits for it", "crm/members/services/transfers.py:_fail", lock(),
          handing.he_goes_over_before_a_no_is_written),
    guard("transfers: a friend already is no error", "crm/members/services/transfers.py:settle_done", again(),
          handing.he_adds_the_taker_while_he_goes_over),
]  # fmt: skip

TAGS = [
    guard("tags: one loads", "crm/tags/loading.py:_load_groups", unique("crm_taggroup", "key"), tags.two_load_the_tags),
    guard("tags: one writer of a member", "crm/tags/services.py:write_tags",
          replaced("crm.tags.services:lock_members", sorted), tags.two_say_of_one_tag),
    guard("tags: one tap after the other", "crm/tags/editing.py:_locked", alone("crm.tags.editing", "lock_members"),
          tags.two_taps_on_one_tag),
    guard("tags: what is said again does not age", "crm/tags/services.py:age_tags",
          replaced("crm.tags.services:lock_members", sorted), tags.a_word_is_said_again_while_it_ages),
]  # fmt: skip

CALLBACKS = [
    guard("callbacks: twice is no error", "yejibao/wecom/inbox/services.py:_INSERT", on_conflict(),
          callbacks.a_callback_delivered_twice),
    guard("callbacks: once", "yejibao/wecom/inbox/services.py:_INSERT",
          (unique("wecom_inboxentry", "inbox_source_digest"), on_conflict()), callbacks.a_callback_delivered_twice),
    guard("callbacks: claimed by one", "yejibao/wecom/inbox/services.py:_CLAIM", lock(),
          callbacks.two_workers_claim_a_callback),
    guard("callbacks: the fence of settling", "yejibao/wecom/inbox/services.py:settle", fence(),
          callbacks.a_worker_who_slept_settles_nothing),
    guard("callbacks: the fence of giving back", "yejibao/wecom/inbox/services.py:give_back", fence(),
          callbacks.a_worker_who_slept_gives_nothing_back),
    guard("callbacks: the fence of failing", "yejibao/wecom/inbox/services.py:note_failure", fence(),
          callbacks.a_worker_who_slept_counts_no_failure),
    guard("callbacks: settling wins over freeing", "yejibao/wecom/inbox/services.py:repair", lock(),
          callbacks.a_callback_is_settled_while_it_is_freed),
    guard("callbacks: replayed by one", "yejibao/wecom/inbox/services.py:replay", lock(),
          callbacks.two_who_replay_a_callback),
    guard("callbacks: a thing noted twice is no error", "yejibao/wecom/inbox/keeping.py:_NOTE", again(),
          callbacks.a_thing_noted_twice),
    guard("callbacks: the newer word stands", "yejibao/wecom/inbox/keeping.py:_NOTE",
          condition(r"\(excluded\.happened_at, excluded\.version\) >= \(m\.happened_at, m\.version\)"),
          callbacks.older_news_come_later),
]  # fmt: skip

SWEEPS = [
    guard("sweeps: one of a kind", "yejibao/wecom/syncing/runs.py:begin", unique("wecom_syncrun", "sync_one_running"),
          callbacks.two_who_begin_a_sweep),
    guard("sweeps: a part is read by one", "yejibao/wecom/syncing/runs.py:Sweep._claim", lock(),
          callbacks.two_who_take_a_part),
    guard("sweeps: counted one by one", "yejibao/wecom/syncing/runs.py:Sweep._count", lock(),
          callbacks.two_who_count_what_they_read),
    guard("sweeps: what was stopped does not end", "yejibao/wecom/syncing/runs.py:Sweep._close",
          condition(r'"wecom_syncrun"\."state" = %s'), callbacks.a_sweep_is_stopped_while_it_ends),
    guard("sweeps: what has ended is not stopped", "yejibao/wecom/syncing/runs.py:stop",
          condition(r'"wecom_syncrun"\."state" = %s'), callbacks.a_sweep_ends_while_it_is_stopped),
    guard("welcomes: a code twice is no error", "yejibao/wecom/welcome/greeting.py:_take", on_conflict(),
          callbacks.a_code_seen_twice),
    guard("welcomes: a code once", "yejibao/wecom/welcome/greeting.py:_take",
          (unique("wecom_welcomemessage", "code_sha"), on_conflict()), callbacks.a_code_seen_twice),
    guard("welcomes: what was sent is not in doubt", "yejibao/wecom/welcome/greeting.py:close_abandoned",
          condition(r'"wecom_welcomemessage"\."state" = %s'), callbacks.a_welcome_is_settled_while_it_is_given_up),
]  # fmt: skip

CHAT_TAGS = [
    guard("chat tags: settled by one", "crm/corptags/services/settling.py:_claim", lock(),
           chat_tags.two_workers_claim_a_friend),
    guard("chat tags: a group is wanted once", "crm/corptags/services/mapping.py:want_all", advisory(),
           chat_tags.two_who_want_the_groups),
    guard("chat tags: a group is written once", "crm/corptags/services/listing.py:keep_groups", advisory(),
           chat_tags.a_list_is_read_twice_at_once),
    guard("chat tags: who asks again is counted", "crm/corptags/services/following.py:AGAIN", again(),
           chat_tags.two_who_ask_for_a_friend),
    guard("chat tags: the newer edit stands", "crm/corptags/services/following.py:note_edits", again(),
           chat_tags.two_edits_of_a_friend),
]  # fmt: skip

GUARDS = [*WAYS, *FRIENDS, *MEMBERS, *TRANSFERS, *TAGS, *CHAT_TAGS, *CALLBACKS, *SWEEPS]
