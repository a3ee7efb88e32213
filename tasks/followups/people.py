"""Who can do a task and how he reaches the member, as SQL pieces for set-based statements."""

from guides.attendance.calendar import away

__all__ = ["away", "friends", "manager", "staffed"]


def staffed(alias: str) -> str:
    """Return SQL telling whether a person works here (on leave too)."""
    return f"{alias}.state IN ('active', 'leave', 'transferred')"


def manager(unit: str) -> str:
    """Return SQL for the store manager of a store's unit on %(today)s, NULL where there is none."""
    return f"""(SELECT held.staff_id FROM guides_roleassignment held JOIN guides_staff head ON head.id = held.staff_id
    WHERE held.role = 'store_manager' AND held.unit_id = {unit} AND {staffed("head")}
      AND (held.ends_on IS NULL OR held.ends_on >= %(today)s) AND (held.starts_on IS NULL OR held.starts_on <= %(today)s)
    ORDER BY (head.state = 'active') DESC, held.id LIMIT 1)"""


def friends(member: str, staff: str) -> str:
    """Return SQL telling whether a member is a person's friend, or is being passed on to him (离职继承)."""
    return f"""EXISTS (SELECT 1 FROM crm_friendlink fl JOIN crm_member fm ON fm.id = fl.member_id
        WHERE fl.member_id = {member} AND (fl.guide_id = {staff} AND fl.state = 'friend'
            OR fm.owner_guide_id = {staff} AND fl.state = 'pending_transfer' AND fl.ended_at IS NULL))"""
