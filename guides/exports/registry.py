"""What can be exported. A room registers its list once, from its app's `ready`:

    register(Exportable(
        key="members", title="会员名单", permission="member.export", approval="member.export",
        clean=read_filters,             # what the page sent, checked against the actor's scope; raises NotFound or Invalid
        rows=members_of,                # (actor, params) -> what `visible_to` lets him see, in order
        columns=columns_of, row_id=lambda member: member.pk,
    ))

and puts a button on its page: `{% url "guides:export-ask" "members" %}`, a POST with the filters of the page.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from yejibao.core.scope import Actor

Params = dict[str, Any]  # JSON; kept with the export and read again by the job
Kind = Literal["text", "number", "share", "yuan", "day", "moment"]


@dataclass(frozen=True)
class Column:
    """One column. `of` reads a row; yuan takes fen; None is shown as —."""

    label: str
    of: Callable[[Any], Any]
    kind: Kind = "text"
    width: int = 12


@dataclass(frozen=True)
class Exportable:
    """A list that can be exported. `approval` names its kind of four eyes (data/four_eyes.yaml), "" where it needs none."""

    key: str
    title: str
    permission: str
    columns: Callable[[Actor, Params], Sequence[Column]]
    rows: Callable[[Actor, Params], Iterable[Any]]
    clean: Callable[[Actor, Mapping[str, str]], Params]
    describe: Callable[[Params], str] = lambda params: ""  # 新街口店 2025-03-01 至 2025-03-05; no personal data
    row_id: Callable[[Any], int] | None = None  # None: figures, of which no row is a person's
    count: Callable[[Actor, Params, int], int] | None = None  # up to so many, opening none; a list of persons has it
    # (who looks, who asks, params, how many): rows that both may see, for whoever approves; shown without phone numbers
    sample: Callable[[Actor, Actor, Params, int], Sequence[Any]] | None = None
    total: Callable[[Sequence[Any]], Any] | None = None  # a last row, read by the same columns
    approval: str = ""
    approval_phone: str = ""  # the kind for an export with phone numbers; "": never with them
    roles: tuple[str, ...] = ()  # who, where an action of access_matrix.yaml says it; then `permission` is its name
    question: str = ""  # template with the fields of the page 新的导出; "": only from its own page

    @property
    def is_personal(self) -> bool:
        return self.row_id is not None

    def open_to(self, actor: Actor) -> bool:
        return actor.has_role(*self.roles) if self.roles else actor.may(self.permission)


_known: dict[str, Exportable] = {}


def register(one: Exportable) -> Exportable:
    """Add a list, or replace the one with the same key."""
    _known[one.key] = one
    return one


def find(key: str) -> Exportable | None:
    return _known.get(key)


def offered_to(actor: Actor) -> list[Exportable]:
    """Return what an actor may export from the page of exports itself."""
    return [one for one in _known.values() if one.question and one.open_to(actor)]
