"""Every guard against a race: where it stands, how it is taken out, and the race that is lost without it.

`test_guards.py` runs each race with its guard and without. `test_places.py` looks through the product for words that make
a guard: one that is neither here nor among the REASONS fails.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle

from .stories import acts, chat_tags, core, engine, masses, orders, people
from .taking_out import Out, replaced, sql, unique
from .world import World

Race = Callable[[World], None]


@dataclass(frozen=True)
class Guard:
    """One guard. `besides` names guards that stand before it and would hide it: they are out in both runs."""

    name: str
    at: str  # path:function, or path:CONSTANT of the statement
    outs: tuple[Out, ...]
    race: Race
    besides: tuple[str, ...] = ()


def _guard(name: str, at: str, out: Out | tuple[Out, ...], race: Race, *besides: str) -> Guard:
    return Guard(name, at, out if isinstance(out, tuple) else (out,), race, besides)


def lock() -> sql:
    """The row locks of a statement."""
    return sql(r"\s+FOR (NO KEY )?UPDATE( OF \"?\w+\"?)?( SKIP LOCKED)?")


def skipping() -> sql:
    """What lets a statement pass by rows that somebody else has locked."""
    return sql(r" SKIP LOCKED")


def turned() -> sql:
    """The order in which rows are locked: every second one begins at the other end."""
    ends = cycle((" DESC", " ASC"))
    return sql(r"(ORDER BY \S+)( ASC)?(?= FOR)", lambda found: found[1] + next(ends))


def advisory() -> sql:
    """An advisory lock: everybody gets it."""
    return sql(r"pg_(?:try_)?advisory_xact_lock\((%s|\w+\((?:%s, 1|'\w+')\))\)", r"true OR \1 IS NULL")


def on_conflict() -> sql:
    """The words that make a second row of the same key nothing, not an error."""
    return sql(r"\s+ON CONFLICT[^;]*?DO NOTHING")


def again() -> sql:
    """What a second row of the same key does to the first."""
    return sql(r"\s+ON CONFLICT \([^)]*\) DO UPDATE[\s\S]*$")


def condition(words: str) -> sql:
    """A condition of a guarded UPDATE."""
    return sql(words, "%s IS NOT NULL" if "%s" in words else "true")


def alone(module: str, function: str) -> replaced:
    """A lock taken by a function of its own, as one module calls it."""
    return replaced(f"{module}:{function}", lambda *_, **__: None)


CORE = [
    _guard("a key: one at a time", "yejibao/core/idempotency.py:_run", advisory(),
           core.the_second_of_two_is_told_so_and_does_nothing),
    _guard("a key: once", "yejibao/core/idempotency.py:_run", unique("core_idempotencykey", "idempotency_actor_key"),
           core.a_key_used_twice, "a key: one at a time"),
    _guard("deadlock: a second try", "yejibao/core/sql.py:twice_if_deadlocked",
           replaced("tests.races.stories.core:twice_if_deadlocked", lambda work: work()), core.two_in_a_circle),
    _guard("deadlock: the whole drain again", "yejibao/core/outbox/events.py:_handle",
           replaced("yejibao.core.outbox.events:is_deadlock", lambda error: False), core.a_deadlocked_drain_goes_again),
    _guard("events: one drain", "yejibao/core/outbox/events.py:_lock", advisory(), core.a_second_drain_leaves_at_once),
    _guard("events: handed over once", "yejibao/core/outbox/events.py:_drain_batch", lock(),
           core.an_event_is_handed_over_once, "events: one drain"),
    _guard("events: decided by one", "yejibao/core/outbox/events.py:retry_events", lock(), core.two_who_retry_a_parked_event),
    _guard("outbox: a key twice is no error", "yejibao/core/outbox/messages.py:enqueue", on_conflict(),
           core.a_message_queued_twice),
    _guard("outbox: a key once", "yejibao/core/outbox/messages.py:enqueue",
           unique("core_outboxmessage", "dedupe_key"), core.a_message_queued_twice),
    _guard("outbox: claimed by one", "yejibao/core/outbox/turns.py:_TAKE", lock(), core.two_senders_claim),
    _guard("outbox: settling wins over reclaiming", "yejibao/core/outbox/messages.py:reclaim_lost", lock(),
           core.a_message_that_is_being_settled_is_not_reclaimed),
    _guard("outbox: the fence of settling", "yejibao/core/outbox/messages.py:settle",
           condition(r"m\.claim_token = o\.token"), core.a_sender_who_slept_settles_nothing),
    _guard("outbox: the fence of giving back", "yejibao/core/outbox/messages.py:give_back",
           condition(r"m\.claim_token = r\.token"), core.a_sender_who_slept_gives_nothing_back),
    _guard("outbox: resent by one", "yejibao/core/outbox/messages.py:resend_many", lock(), core.two_who_resend),
    _guard("outbox: closed by one", "yejibao/core/outbox/messages.py:close_many", lock(), core.two_who_close),
    _guard("budgets: counted one by one", "yejibao/wecom/ledger.py:_locked",
           (lock(), sql(r"^INSERT INTO \S+ \([^)]*\) (.*) ON CONFLICT DO NOTHING.*$", r"\1")),  # it waits for the row as well
           core.two_senders_and_the_last_of_a_budget),
    _guard("mass: asked for by one", "yejibao/wecom/mass/services.py:_CLAIM", lock(), masses.two_workers_claim_a_send),
    _guard("mass: the fence of settling", "yejibao/wecom/mass/services.py:settle",
           condition(r'"wecom_masssend"\."claim_token" = %s'), masses.a_worker_who_slept_writes_nothing),
    _guard("mass: plans count each other", "yejibao/wecom/mass/services.py:_known", advisory(),
           masses.two_plans_count_each_other),
    _guard("mass: one of ours for one of theirs", "yejibao/wecom/mass/steps.py:_adopt",
           unique("wecom_masssend", "mass_platform_id"), masses.what_the_platform_made_stands_for_one),
    _guard("budgets: a new row is one", "yejibao/wecom/ledger.py:_locked", on_conflict(), core.two_senders_and_a_new_budget),
]  # fmt: skip

PEOPLE = [
    _guard("units: the parent stands", "guides/org/services.py:create_unit", lock(), people.a_unit_is_founded_while_its_parent_moves),
    _guard("units: one move", "guides/org/services.py:move_unit", lock(), people.two_who_move_a_unit),
    _guard("staff: leaves once", "guides/org/services.py:resign_staff",
           condition(r'NOT \("guides_staff"\."state" = %s\)'), people.two_who_note_that_somebody_left),
    _guard("store change: one planned", "guides/org/moving.py:transfer_staff",
           (lock(), unique("guides_storechange", "store_change_one_planned")), people.two_who_move_a_guide),
    _guard("store change: begins or is taken back", "guides/org/moving.py:apply_store_changes", lock(),
           people.a_move_begins_while_it_is_taken_back),
    _guard("store change: taken back or begins", "guides/org/moving.py:cancel_transfer",
           (lock(), condition(r'"guides_storechange"\."state" = %s')), people.a_move_is_taken_back_while_it_begins),
    _guard("roster: one edit", "guides/attendance/services.py:_set", lock(), people.two_who_set_the_same_rest_day),
    _guard("members: one new owner", "crm/members/services/ownership.py:change_owner", lock(),
           people.two_managers_give_a_member_away),
    _guard("hand-over: one heir", "crm/members/services/handing_over.py:_open", lock(), people.two_heirs_are_named),
    _guard("hand-over: confirmed or its day is over", "crm/members/services/handing_over.py:apply_due_handovers", lock(),
           people.the_day_is_over_while_a_plan_is_confirmed),
    _guard("hand-over: one plan of a leave", "crm/members/services/handing_over.py:plan_giving", lock(),
           people.two_who_plan_a_giving),
    _guard("hand-over: decided once what did not go over", "crm/members/services/handing_over.py:replan", lock(),
           people.two_who_decide_on_a_full_taker),
    _guard("hand-over: refused once", "crm/members/services/transfers.py:refuse_transfer",
           (condition(r'"crm_friendlink"\."state" = %s'), condition(r'"crm_friendlink"\."ended_at" IS NULL')),
           people.a_refusal_told_twice),
    _guard("friends: lost once", "crm/members/services/friends.py:end_friend", lock(), people.a_lost_friend_told_twice),
    _guard("friends: back once", "crm/members/services/friends.py:record_friend", lock(),
           people.a_friend_who_comes_back_told_twice),
    _guard("consent: said once", "crm/members/services/consent.py:_set", lock(), people.two_who_say_do_not_contact),
    _guard("members: locked", "crm/members/services/locking.py:lock_members", lock(),
           orders.two_orders_of_one_member_both_count),
    _guard("members: one order of locks", "crm/members/services/locking.py:lock_members", turned(),
           people.members_are_locked_in_one_order),
    _guard("scoring: one worker a run", "crm/scoring/services/runs.py:take_run", skipping(), people.two_nights_at_once),
    _guard("scoring: one run a night", "crm/scoring/services/runs.py:take_run", on_conflict(),
           people.two_nights_begin_at_once),
    _guard("scoring: a level that rose stays", "crm/scoring/services/counting.py:settle_levels", lock(),
           people.a_level_that_rises_while_it_is_to_end),
    _guard("tickets: one step at a time", "crm/aftersale/services.py:move_ticket",
           condition(r'"crm_ticket"\."state" = %s'), people.two_who_move_a_ticket),
]  # fmt: skip

ORDERS = [
    _guard("orders: a number twice is no error", "crm/orders/services/writing.py:insert_orders",
           on_conflict(), orders.a_batch_twice),
    _guard("orders: a number once", "crm/orders/services/writing.py:insert_orders",
           (unique("crm_order", "order_source_number"), on_conflict()), orders.a_batch_twice),
    _guard("orders: a change counts once", "crm/orders/services/writing.py:load_states", lock(), orders.a_return_twice),
    _guard("orders: released once", "crm/orders/services/ingest.py:release_orders", condition("known_at IS NULL"),
           orders.held_orders_released_twice),
    _guard("orders: a new member once", "crm/orders/services/people.py:_create", on_conflict(),
           orders.a_new_member_in_two_batches),
]  # fmt: skip

CADENCES = [
    _guard("enrolling: one at a time", "tasks/cadences/enrolling.py:enroll_orders", advisory(),
           engine.two_orders_of_one_member_are_one_cycle),
    _guard("enrolling: an order twice is no error", "tasks/cadences/enrolling.py:_CLASSIFY",
           on_conflict(), engine.an_order_enrolled_twice, "enrolling: one at a time"),
    _guard("enrolling: sees what was opened", "tasks/cadences/enrolling.py:_LOCK_RUNNING", lock(),
           engine.a_step_opens_while_he_buys_again),
    _guard("enrolling: sees what was taken back", "tasks/cadences/enrolling.py:_LOCK_RUNNING", lock(),
           engine.a_done_is_taken_back_while_he_buys_again),
    _guard("enrolling: one running cycle", "tasks/cadences/enrolling.py:_START",
           unique("tasks_enrollment", "enrollment_one_active_full"), engine.a_complete_cycle_is_taken_back_while_he_buys_again),
    _guard("cycles: a return sees what was opened", "tasks/cadences/changes.py:lock_cycles", lock(),
           engine.a_step_opens_while_all_is_returned),
    _guard("cycles: an exchange sees what was opened", "tasks/cadences/changes.py:lock_cycles", lock(),
           engine.the_third_day_opens_while_he_exchanges),
    _guard("cycles: an alteration sees what was opened", "tasks/cadences/changes.py:follow_alterations", lock(),
           engine.the_third_day_opens_while_it_is_altered),
    _guard("cycles: one order of locks", "tasks/cadences/changes.py:lock_cycles", turned(), acts.cycles_are_locked_in_one_order),
    _guard("cycles: completed by who waits for nobody", "tasks/cadences/changes.py:complete_walked", skipping(),
           engine.the_last_task_expires_while_he_buys_again),
    _guard("cycles: not completed under somebody's hands", "tasks/cadences/changes.py:complete_walked", lock(),
           engine.a_cycle_ends_while_one_of_its_tasks_is_taken_back),
    _guard("recompute: one", "tasks/cadences/recompute.py:recompute_hands", sql(r" FOR UPDATE SKIP LOCKED"), engine.two_recomputes),
    _guard("recompute: waits for nobody", "tasks/cadences/recompute.py:_BATCH", sql(r"(?<=NO KEY UPDATE) SKIP LOCKED"),
           engine.a_recompute_beside_somebody_at_work),
    _guard("rules: one loads", "tasks/cadences/loading.py:load_3369", lock(), engine.two_load_new_rules),
    _guard("parked: retried by one", "tasks/cadences/parked.py:retry_parked", lock(), engine.two_who_retry_what_was_set_aside),
]  # fmt: skip

OPENING = [
    _guard("opening: one counts her day", "tasks/followups/opening.py:_judge_and_move", advisory(),
           engine.two_openers_and_the_last_place_of_her_day),
    _guard("opening: claimed by one", "tasks/followups/opening.py:_judge_and_move", lock(), engine.two_openers,
           "opening: one counts her day"),
    _guard("opening: a step twice is no error", "tasks/followups/opening.py:_OPEN", on_conflict(),
           engine.a_worker_who_lost_his_claim_opens_nothing),
    _guard("opening: a step once", "tasks/followups/opening.py:_OPEN",
           (unique("tasks_task", "task_step_opens_once"), on_conflict()),
           engine.a_worker_who_lost_his_claim_opens_nothing),
    _guard("opening: a hand moves from where it stood", "tasks/followups/opening.py:_OPEN",
           condition(r"e\.next_step = v\.next_step"), engine.a_worker_who_lost_his_claim_moves_nothing),
    _guard("opening: set aside by one", "tasks/followups/opening.py:_set_aside", lock(),
           engine.two_who_set_the_same_cycle_aside),
]  # fmt: skip

TASKS = [
    _guard("tasks: one tap after the other", "tasks/followups/services/guards.py:lock",
           sql(r' FOR NO KEY UPDATE OF "tasks_task"'), acts.claimed_by_two_taps),
    _guard("tasks: the cycle stands while one acts", "tasks/followups/services/guards.py:lock",
           alone("tasks.followups.services.guards", "lock_cycles"), engine.he_buys_again_while_a_done_is_taken_back),
    _guard("tasks: one order of locks", "tasks/followups/services/guards.py:lock", turned(), acts.tasks_are_locked_in_one_order),
    _guard("tasks: done once", "tasks/followups/services/finishing.py:_FINISH", lock(),
           acts.done_by_a_receipt_and_by_a_new_friend),
    _guard("tasks: one contact a task", "tasks/followups/services/finishing.py:_FINISH", on_conflict(),
           acts.done_again_is_one_contact),
    _guard("tasks: taken back only into a cycle that runs", "tasks/followups/services/finishing.py:_goes_on",
           unique("tasks_enrollment", "enrollment_one_active_full"),
           engine.he_buys_again_while_a_complete_cycle_is_taken_back),
    _guard("tasks: one pending send a chat", "tasks/followups/services/sending.py:prepare_send",
           alone("tasks.followups.services.sending", "lock_members"), acts.two_sends_of_one_chat),
    _guard("tasks: one end", "tasks/followups/models.py:Task.move_to", condition(r'"tasks_task"\."state" = %s'), acts.ended_by_two),
    _guard("tasks: one decision on a request", "tasks/followups/services/managing.py:decide_skip",
           condition(r'"tasks_skiprequest"\."state" = %s'), acts.two_managers_decide),
    _guard("tasks: one look at a sample", "tasks/followups/services/managing.py:judge_spot_check",
           condition(r'"tasks_spotcheck"\."state" = %s'), acts.two_managers_look_at_a_sample),
    _guard("tasks: sampled once", "tasks/followups/services/managing.py:sample_spot_checks", on_conflict(),
           acts.a_week_sampled_twice),
    _guard("tasks: urged once in two hours", "tasks/followups/services/managing.py:_locked", lock(), acts.two_managers_urge),
    _guard("tasks: handed on once", "tasks/followups/services/managing.py:reassign", lock(), acts.two_managers_hand_it_on),
    _guard("tasks: what is done does not expire", "tasks/followups/upkeep.py:expire_tasks", lock(),
           engine.a_task_expires_while_it_is_done),
    _guard("tasks: what has ended is not released", "tasks/followups/upkeep.py:release_held", lock(),
           engine.a_hold_for_a_ticket_ends_while_he_buys_again),
    _guard("tasks: what has ended goes to no heir", "tasks/followups/upkeep.py:release_held", lock(),
           engine.a_hold_for_the_heir_ends_while_he_buys_again),
    _guard("tasks: what is done goes to no backup", "tasks/followups/upkeep.py:cover_absence", lock(),
           engine.her_day_off_is_entered_while_she_does_it),
    _guard("tasks: what is done is not skipped", "tasks/followups/upkeep.py:_after_friend_lost", lock(),
           engine.a_friend_is_lost_while_it_is_done),
    _guard("tasks: one care task a return", "tasks/followups/services/creating.py:open_care_tasks",
           on_conflict(), engine.a_care_task_opened_twice),
    _guard("tasks: one introduction a member", "tasks/followups/services/creating.py:open_handover_intros",
           on_conflict(), engine.introductions_opened_twice),
]  # fmt: skip

TOLD = [
    _guard("told: one beat looks", "tasks/followups/push.py:_QUEUE", lock(), engine.two_beats_look_at_what_is_new),
    _guard("told: an urgent task once", "tasks/followups/push.py:_QUEUE", on_conflict(),
           engine.two_beats_tell_of_an_urgent_task, "told: one beat looks"),
    _guard("told: a digest once", "tasks/followups/push.py:_QUEUE", on_conflict(),
           engine.two_beats_queue_a_digest, "told: one beat looks"),
    _guard("told: escalated once", "tasks/followups/push.py:_ESCALATE",
           condition(r"(?<=t\.id = late\.id AND )t\.escalated_at IS NULL"), engine.two_beats_escalate),
    _guard("told: a morning's list once", "tasks/review/services/lists.py:_name", on_conflict(),
           acts.two_beats_send_the_mornings_list),
    _guard("told: a week judged once", "tasks/review/services/lists.py:_judge", on_conflict(),
           acts.two_beats_judge_the_week),
    _guard("told: one talk a week", "tasks/review/services/lists.py:record_talk",
           condition(r'"tasks_storeweek"\."talked_at" IS NULL'), acts.two_record_the_talk),
    _guard("figures: one counts", "tasks/review/services/rollups.py:refresh_days", advisory(), acts.two_count_the_figures),
    _guard("figures: one counts a day anew", "tasks/review/services/rollups.py:rebuild_days", advisory(),
           acts.two_count_a_day_anew),
    _guard("scripts: one loads", "tasks/scripts/loading.py:load_scripts", advisory(), acts.two_load_the_scripts),
    _guard("scripts: a favourite once", "tasks/scripts/services.py:set_favourite", on_conflict(), acts.a_favourite_tapped_twice),
]  # fmt: skip

CHAT_TAGS = [
    _guard("chat tags: settled by one", "crm/corptags/services/settling.py:_claim", lock(),
           chat_tags.two_workers_claim_a_friend),
    _guard("chat tags: a group is wanted once", "crm/corptags/services/mapping.py:want_all", advisory(),
           chat_tags.two_who_want_the_groups),
    _guard("chat tags: a group is written once", "crm/corptags/services/listing.py:keep_groups", advisory(),
           chat_tags.a_list_is_read_twice_at_once),
    _guard("chat tags: who asks again is counted", "crm/corptags/services/following.py:AGAIN", again(),
           chat_tags.two_who_ask_for_a_friend),
    _guard("chat tags: the newer edit stands", "crm/corptags/services/following.py:note_edits", again(),
           chat_tags.two_edits_of_a_friend),
]  # fmt: skip

GUARDS = [*CORE, *PEOPLE, *ORDERS, *CADENCES, *OPENING, *TASKS, *TOLD, *CHAT_TAGS]

# Guards whose race needs more than two connections: a test of their own runs it with and without them.
SHOWN_ELSEWHERE = {
    "tasks/cadences/publishing.py:_lock": "tests/tasks/cadences/test_publishing_races.py::test_two_who_publish_the_same_draft",
    "yejibao/wecom/tokens.py:advisory_lock": "tests/wecom/test_gateway.py::test_the_test_above_sees_a_missing_lock",
}

_LAST = "a row of its own kind, the last writer is right"
_HELD = "under the lock of the row above it"
_BY_HAND = "loaded by one command; the unique key refuses a second"

# Words of a guard where nothing is lost without it, or where another place of this list is the guard.
REASONS = {
    "guides/org/loading.py:_load_dealers": _BY_HAND,
    "guides/org/granting.py:_hold": _LAST,
    "guides/org/moving.py:_apply": _HELD,
    "guides/notices/services.py:TOLD_AGAIN": "of one key one is unread: the later words stand",
    "guides/notices/services.py:mark_all_read": "the order of locks beside those who tell",
    "crm/catalogue/loading.py:load_catalogue": _LAST,
    "crm/members/services/handing_over.py:open_handover": "a handler of events: one drain",
    "crm/orders/services/sources.py:issue_token": _LAST,
    "crm/orders/services/writing.py:write_lines": _HELD,
    "crm/orders/services/writing.py:write_changes": _HELD,
    "crm/scoring/services/tiers.py:_write": "the order of locks beside a batch of orders; one run a night writes tiers",
    "tasks/cadences/changes.py:cancel_members": "the order of locks; its tasks are ended by a statement of their own",
    "tasks/followups/notices.py:link_tasks": "names the tasks of a message queued in this transaction",
    "tasks/followups/push.py:_write": "names the tasks of a message claimed in this transaction",
    "tasks/followups/push.py:carry_links": "names the tasks of a message queued in this transaction",
    "tasks/followups/services/managing.py:ask_skip": _HELD,
    "yejibao/core/backup/restoring.py:_UNSURE": "in a database nobody else uses yet",
    "yejibao/core/health.py:_remember": _LAST,
    "yejibao/core/sealing.py:seal": "beside another it finds the other's seal, or the unique key refuses its own",
    "yejibao/core/heart.py:beat": _LAST,
    "yejibao/core/jobtrace.py:note_run": _LAST,
    "yejibao/core/outbox/events.py:_parked": "see retry_events, which sends it",
    "yejibao/core/outbox/messages.py:_write_claims": "inside the claim",
    "yejibao/core/outbox/messages.py:Outcome.claim_token": "carries the fence",
    "yejibao/core/outbox/models.py:OutboxMessage.claim_token": "the column of the fence",
    "yejibao/demo/seeding.py:seed_due": "a scratch world",
    "yejibao/demo/world.py:_shifts": "a scratch world",
    "yejibao/schedule.py:install": _LAST,
    "yejibao/wecom/ledger.py:_learn": _HELD,
    "yejibao/wecom/mass/models.py:MassSend.claim_token": "the column of the fence",
    "yejibao/wecom/mass/results.py:_move": "the fence of settle, a page at a time",
    "yejibao/wecom/mass/results.py:_SENDERS": "under the lease of the send",
    "yejibao/wecom/mass/results.py:_TARGETS": "under the lease of the send",
    "yejibao/wecom/mass/services.py:claim": "sends _CLAIM",
    "yejibao/wecom/mass/steps.py:_follow": "the fence of settle",
    "yejibao/wecom/outcomes.py:outcome_of": "carries the fence",
    "yejibao/wecom/outcomes.py:Ending.__call__": "carries the fence",
    "yejibao/wecom/lifesigns.py:LifeSigns._heartbeat": _LAST,
    "yejibao/wecom/tokens.py:Credentials._write_row": "under the advisory lock of its credential",
}

# Rooms whose races are still to be written here. Ends when each of their guards has one.
STILL_WITHOUT = (
    "crm/friends/", "crm/tags/", "crm/members/services/identities.py", "crm/members/services/merging.py",
    "crm/members/services/transfers.py", "tasks/followups/services/first_talk.py", "yejibao/wecom/inbox/",
    "yejibao/wecom/syncing/", "yejibao/wecom/welcome/",
)  # fmt: skip
