"""Who is asking. `Actor` is resolved once per request from the session's person and the database of this moment.

Every table with business data has `objects.visible_to(actor)`, and every page, endpoint, export and job reads through it.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Grant:
    """One role of a person and how far it reaches: `self`, or everything under an org path ("" = the whole company)."""

    role: str
    reach: str  # self | units | all
    path: str = ""
    store_ids: tuple[int, ...] = ()  # for dealers: the stores they own, instead of a path


@dataclass(frozen=True)
class Actor:
    """A person, or the system itself, with all that decides what may be seen and done."""

    kind: str = "anonymous"  # staff | member | system | source | anonymous
    staff_id: int | None = None
    member_id: int | None = None  # of kind member: rows of his own, and nothing else
    name: str = ""
    display_name: str = ""
    working_role: str = ""
    grants: tuple[Grant, ...] = ()
    permissions: frozenset[str] = frozenset()
    working_permissions: frozenset[str] = (
        frozenset()
    )  # those of the role he works in: the menu goes by them, nothing else does
    store_id: int | None = None
    store_path: str = ""
    store_name: str = ""
    session_facts: dict[str, str] = field(default_factory=dict, compare=False)

    @classmethod
    def system(cls, name: str = "system") -> "Actor":
        """Return the actor of jobs, which see everything and say so openly."""
        return cls(kind="system", name=name, grants=(Grant("system", "all"),))

    @property
    def is_system(self) -> bool:
        return self.kind == "system"

    @property
    def key(self) -> str:
        """Return who it is in one word, `staff:7` or `member:9`; empty for nobody."""
        if self.member_id:
            return f"member:{self.member_id}"
        return f"staff:{self.staff_id}" if self.staff_id else ""

    @property
    def roles(self) -> frozenset[str]:
        return frozenset(grant.role for grant in self.grants)

    def may(self, permission: str) -> bool:
        """Tell whether one of the person's roles holds a permission of `org_and_roles.yaml`."""
        return self.is_system or permission in self.permissions

    def has_role(self, *roles: str) -> bool:
        return self.is_system or any(grant.role in roles for grant in self.grants)

    def reach(self, *roles: str) -> tuple[Grant, ...]:
        """Return the grants of these roles: scope is their union."""
        return tuple(grant for grant in self.grants if grant.role in roles or grant.role == "system")
