"""What becomes of sessions when a member is forgotten, closed, or turns out to be another one."""

from yejibao.core.erasing import forget

from .sessions import end_sessions_of

SESSIONS = "crm_membersession"

forget("crm_codevisit", "DELETE FROM crm_codevisit WHERE member_id = ANY(%(ids)s)", order=10)
forget(SESSIONS, f"DELETE FROM {SESSIONS} WHERE member_id = ANY(%(ids)s)", order=10)

__all__ = ["SESSIONS", "end_sessions_of"]
