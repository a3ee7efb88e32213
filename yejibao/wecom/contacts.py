"""Customers and the codes that bring them: typed calls of the family `externalcontact` on a gateway.

Source: wecom-api.md §5.1, §5.2, §5.4. All raise GatewayError and nothing else.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import requests
from django.conf import settings

from .errors import GatewayError, Kind
from .gateway import CONNECT_SECONDS, READ_SECONDS, Gateway, from_connection, from_status

PAGE = 100  # get_by_user: more is clamped
PICTURE_BYTES = 2 * 2**20
CODE_USED, CODE_DEAD, NO_CODE, OTHER_APP_SENDS = 41051, 41050, 41049, 41096
NOT_A_CONTACT, UNKNOWN_CONTACT, DEAD_CURSOR = 84061, 40096, 50100
NO_LIST = (NOT_A_CONTACT, 84074, 60111)  # no customer yet, no right to have any, gone from the app's range


@dataclass(frozen=True)
class Follow:
    """A customer as one member of the corp keeps him. `userid` is lower-cased, `phones` as typed in the remark."""

    userid: str
    remark: str
    added_at: datetime
    state: str  # of the code he came through
    add_way: int | None
    phones: tuple[str, ...]
    tag_ids: tuple[str, ...]


@dataclass(frozen=True)
class Customer:
    """A customer with those who follow him: all of them, or the one whose list was read."""

    external_userid: str
    name: str
    unionid: str
    is_wecom: bool
    follows: tuple[Follow, ...]


@dataclass(frozen=True)
class Page:
    """A page of customers; an empty `cursor` is the end."""

    customers: tuple[Customer, ...]
    cursor: str


@dataclass(frozen=True)
class Way:
    """A code as the platform keeps it."""

    config_id: str
    state: str
    qr_code: str
    user_ids: tuple[str, ...]


# ---------------------------------------------------------------- customers


def read_customer(door: Gateway, external_userid: str) -> Customer:
    """Return a customer; 40096 when unknown, 84061 when nobody follows him any more."""
    follows: list[Follow] = []
    cursor = ""
    while True:  # only above 500 followers there is a second page
        answer = door.get(
            "externalcontact/get", external_userid=external_userid, **({"cursor": cursor} if cursor else {})
        )
        follows += [_follow(row) for row in answer.get("follow_user", ())]
        cursor = str(answer.get("next_cursor") or "")
        if not cursor:
            return _customer(answer["external_contact"], tuple(follows))


def read_page(door: Gateway, userids: Sequence[str], cursor: str = "") -> Page:
    """Return a page of the customers of up to 100 members; 50100 when the cursor has died."""
    body: dict[str, Any] = {"userid_list": list(userids), "limit": PAGE}
    if cursor:
        body["cursor"] = cursor
    answer = door.post("externalcontact/batch/get_by_user", body)
    return Page(
        tuple(
            _customer(row["external_contact"], (_follow(row["follow_info"]),))
            for row in answer.get("external_contact_list", ())
        ),
        str(answer.get("next_cursor") or ""),
    )


def list_followers(door: Gateway) -> list[str]:
    """Return the members who may have customers, lower-cased, in the app's range."""
    return [str(value).casefold() for value in door.get("externalcontact/get_follow_user_list")["follow_user"]]


def list_customers(door: Gateway, userid: str) -> list[str]:
    """Return the external user ids of all customers of a member, in one answer; none for who has or may have none."""
    try:
        return [str(value) for value in door.get("externalcontact/list", userid=userid).get("external_userid", ())]
    except GatewayError as error:
        if error.code in NO_LIST:
            return []
        raise


def _customer(facts: Mapping[str, Any], follows: tuple[Follow, ...]) -> Customer:
    return Customer(
        external_userid=str(facts["external_userid"]),
        name=str(facts.get("name") or ""),
        unionid=str(facts.get("unionid") or ""),
        is_wecom=int(facts.get("type") or 1) == 2,
        follows=follows,
    )


def _follow(row: Mapping[str, Any]) -> Follow:
    ids = row["tag_id"] if "tag_id" in row else [tag.get("tag_id") for tag in row.get("tags") or ()]
    way = row.get("add_way")
    return Follow(
        userid=str(row["userid"]).casefold(),
        remark=str(row.get("remark") or ""),
        added_at=datetime.fromtimestamp(int(row.get("createtime") or 0), UTC),
        state=str(row.get("state") or ""),
        add_way=None if way is None else int(way),
        phones=tuple(str(value) for value in row.get("remark_mobiles") or () if value),
        tag_ids=tuple(str(value) for value in ids or () if value),
    )


# ---------------------------------------------------------------- codes (联系我)


def add_way(door: Gateway, *, user_ids: Sequence[str], state: str, remark: str) -> Way:
    """Make a code that adds one of these people. Not repeatable: look for `state` among the codes before a second try."""
    answer = door.post(
        "externalcontact/add_contact_way",
        {"type": 1 if len(user_ids) == 1 else 2, "scene": 2, "remark": remark[:30], "skip_verify": True,
         "state": state, "user": list(user_ids)},
    )  # fmt: skip
    return Way(str(answer["config_id"]), state, str(answer.get("qr_code") or ""), tuple(user_ids))


def read_way(door: Gateway, config_id: str) -> Way:
    """Return a code."""
    row = door.post("externalcontact/get_contact_way", {"config_id": config_id})["contact_way"]
    return Way(
        str(row["config_id"]), str(row.get("state") or ""), str(row.get("qr_code") or ""),
        tuple(str(value).casefold() for value in row.get("user") or ()),
    )  # fmt: skip


def list_ways(door: Gateway, *, since: datetime, until: datetime) -> Iterator[str]:
    """Return the config ids of the codes made in a stretch of time."""
    body: dict[str, Any] = {
        "start_time": int(since.timestamp()), "end_time": int(until.timestamp()), "limit": 1000,
    }  # fmt: skip
    while True:
        answer = door.post("externalcontact/list_contact_way", body)
        yield from (str(row["config_id"]) for row in answer.get("contact_way", ()))
        body["cursor"] = str(answer.get("next_cursor") or "")
        if not body["cursor"]:
            return


def update_way(door: Gateway, config_id: str, *, user_ids: Sequence[str], state: str, remark: str) -> None:
    """Put other people behind a code. Its type stays, so a code of one person stays one of one person."""
    door.post(
        "externalcontact/update_contact_way",
        {"config_id": config_id, "user": list(user_ids), "state": state, "remark": remark[:30]},
    )


def delete_way(door: Gateway, config_id: str) -> None:
    """End a code. One that is gone already is gone."""
    try:
        door.post("externalcontact/del_contact_way", {"config_id": config_id})
    except GatewayError as error:
        if error.code != 41044:
            raise


def fetch_picture(door: Gateway, url: str) -> bytes:
    """Return the picture of a code. Only from the platform's own picture hosts, small, and without redirects."""
    parts = urlsplit(url)
    host = (parts.hostname or "").casefold()
    is_stand_in = bool(settings.WECOM_SANDBOX_CONTROL) and parts.netloc == urlsplit(door.base).netloc
    hosts: list[str] = settings.WECOM_PICTURE_HOSTS
    allowed = any(host == one or host.endswith("." + one) for one in hosts)
    if not is_stand_in and not (allowed and parts.scheme in ("http", "https")):
        raise GatewayError(None, "picture at a foreign host", kind=Kind.PERMANENT, api="picture")
    try:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.get(url, timeout=(CONNECT_SECONDS, READ_SECONDS), allow_redirects=False, stream=True)
            if answer.status_code != 200:
                raise from_status(answer.status_code, api="picture")
            content = answer.raw.read(PICTURE_BYTES + 1, decode_content=True)
    except requests.RequestException as error:
        raise from_connection(error, api="picture") from None
    if len(content) > PICTURE_BYTES or not content.startswith((b"\x89PNG", b"\xff\xd8\xff")):
        raise GatewayError(None, "no picture, or too large a one", kind=Kind.PERMANENT, api="picture")
    return bytes(content)
