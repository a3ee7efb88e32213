"""How the department forgets a member: what was said, seen and written about him goes, the figures of the work stay."""

from datetime import timedelta

from yejibao.core.erasing import forget
from yejibao.core.wearing import wear_out

_TASKS = "SELECT id FROM tasks_task WHERE member_id = ANY(%(ids)s)"

for table, words in {
    "tasks_taskmove": "note = ''",
    "tasks_taskevidence": "payload = '{}'",
    "tasks_skiprequest": "reason = '', answer = ''",
    "tasks_spotcheck": "note = ''",
}.items():
    forget(table, f"UPDATE {table} SET {words} WHERE task_id IN ({_TASKS})", order=40)
# What people were told names him; a push that is still to go is cancelled with its task.
forget(
    "guides_notification",
    f"DELETE FROM guides_notification WHERE key IN (SELECT 'task:' || id FROM ({_TASKS}) t) "
    f"OR key IN (SELECT 'skip:' || id FROM tasks_skiprequest WHERE task_id IN ({_TASKS}))",
    order=40,
)
forget(
    "core_outboxmessage",
    "UPDATE core_outboxmessage SET body_bytes = NULL WHERE body_bytes IS NOT NULL "
    "AND state IN ('sent', 'cancelled', 'expired', 'closed', 'failed') "
    f"AND id IN (SELECT message_id FROM tasks_tasknotice WHERE task_id IN ({_TASKS}))",
    order=40,
)
forget("tasks_pendingsend", "DELETE FROM tasks_pendingsend WHERE member_id = ANY(%(ids)s)", order=40)
forget("tasks_scriptuse", "UPDATE tasks_scriptuse SET text = '' WHERE member_id = ANY(%(ids)s)", order=40)
forget("tasks_task", "UPDATE tasks_task SET why = '', context = '{}' WHERE member_id = ANY(%(ids)s)", order=60)

# What was said wears out after two years; that something was said, when and by whom, stays for the figures.
_TWO_YEARS = timedelta(days=730)
wear_out("tasks_scriptuse", "at", _TWO_YEARS, "text = ''")
wear_out("tasks_taskevidence", "at", _TWO_YEARS, "payload = '{}'")
wear_out("tasks_taskmove", "at", _TWO_YEARS, "note = ''")
wear_out("tasks_skiprequest", "asked_at", _TWO_YEARS, "reason = '', answer = ''")
