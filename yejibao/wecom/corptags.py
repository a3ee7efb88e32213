"""Corp tags (企业标签): typed calls of the family `externalcontact` on a gateway. Source: wecom-api.md §5.3.

All raise GatewayError and nothing else. Groups and tags go by name: adding what exists is refused or changes nothing, so
all but a rename can be done again without harm.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .errors import GatewayError
from .gateway import Gateway

MARK = "externalcontact/mark_tag"
BAD_ID, NAME_TAKEN, NAME_LENGTH, TOO_MANY, TOO_MANY_ON_ONE, NOT_OURS = 40068, 40071, 40072, 40126, 40144, 81011
ADD_AT_ONCE = 100


@dataclass(frozen=True)
class CorpTag:
    """A tag; the larger `order` stands first."""

    tag_id: str
    name: str
    order: int


@dataclass(frozen=True)
class CorpTagGroup:
    """A group with its tags."""

    group_id: str
    name: str
    order: int
    tags: tuple[CorpTag, ...]


def list_groups(
    door: Gateway, *, group_ids: Sequence[str] = (), tag_ids: Sequence[str] = ()
) -> tuple[CorpTagGroup, ...]:
    """Return all groups; those named, or the groups of the tags named with only these. What is gone is left out."""
    body: dict[str, Any] = {"group_id": list(group_ids)} if group_ids else {"tag_id": list(tag_ids)} if tag_ids else {}
    answer = door.post("externalcontact/get_corp_tag_list", body)
    return tuple(_group(row) for row in answer.get("tag_group") or () if not row.get("deleted"))


def add_tags(
    door: Gateway, tags: Iterable[tuple[str, int]], *, group_id: str = "", group_name: str = "", order: int = 0
) -> CorpTagGroup:
    """Add tags (name, order) to a group; a `group_name` that exists is reused. Returns the group with the new tags.

    40071 when one of the names is in the group already, 40126 at 10,000 tags.
    """
    where: dict[str, Any] = {"group_id": group_id} if group_id else {"group_name": group_name, "order": order}
    rows = [{"name": name, "order": place} for name, place in tags]
    answer = door.post("externalcontact/add_corp_tag", where | {"tag": rows, "agentid": door.app.agent_id})
    return _group(answer["tag_group"])


def edit(door: Gateway, key: str, *, name: str, order: int) -> None:
    """Rename and move a tag or group of ours. 81011: somebody else's; 40071: the name is taken."""
    door.post("externalcontact/edit_corp_tag", {"id": key, "name": name, "order": order, "agentid": door.app.agent_id})


def delete_tags(door: Gateway, tag_ids: Sequence[str]) -> None:
    """Delete tags of ours, from all customers; a group goes with its last tag. What is gone already is gone."""
    try:
        door.post("externalcontact/del_corp_tag", {"tag_id": list(tag_ids), "agentid": door.app.agent_id})
    except GatewayError as error:
        if error.code != BAD_ID:
            raise


def mark(door: Gateway, *, userid: str, external_userid: str, add: Sequence[str], remove: Sequence[str]) -> None:
    """Add and remove tags of one customer of one member; doing it again changes nothing.

    Never two at once for one pair: 45035. 84061 and 40096: no relation any more; 40068: one of the tags is gone.
    """
    body: dict[str, Any] = {"userid": userid, "external_userid": external_userid}
    body |= {"add_tag": list(add)} if add else {}
    door.post(MARK, body | ({"remove_tag": list(remove)} if remove else {}))


def _group(row: Mapping[str, Any]) -> CorpTagGroup:
    return CorpTagGroup(
        group_id=str(row["group_id"]),
        name=str(row.get("group_name") or ""),
        order=int(row.get("order") or 0),
        tags=tuple(
            CorpTag(str(tag["id"]), str(tag.get("name") or ""), int(tag.get("order") or 0))
            for tag in row.get("tag") or ()
            if not tag.get("deleted")
        ),
    )
