"""Identity, address book, customers and tickets: what the platform answers when it is asked."""

from collections.abc import Mapping
from typing import Any

from . import tags
from .state import App, Refusal, State

OK = {"errcode": 0, "errmsg": "ok"}
PERSON_FIELDS = (
    "userid", "name", "department", "order", "position", "is_leader_in_dept", "direct_leader", "telephone", "alias",
    "status", "main_department", "external_position",
)  # fmt: skip


def get_token(state: State, query: Mapping[str, str], ip: str) -> dict[str, Any]:
    """Return the app's token. Wrong secrets block the address for an hour."""
    now = state.clock.time()
    wrong, blocked_until = state.wrong_secrets.get(ip, (0, 0.0))
    if now < blocked_until:
        raise Refusal(45009, "api freq out of limit")
    corp_id, secret = query.get("corpid", ""), query.get("corpsecret", "")
    if not corp_id:
        raise Refusal(41002, "corpid missing")
    if not secret:
        raise Refusal(41004, "corpsecret missing")
    if corp_id != state.corp_id:
        raise Refusal(40013, "invalid corpid")
    app = next((app for app in state.apps.values() if app.secret == secret), None)
    if app is None or not app.enabled:
        wrong += 1
        over = wrong >= state.figures.wrong_secrets
        state.wrong_secrets[ip] = (
            0 if over else wrong,
            now + state.figures.wrong_secret_block_seconds if over else 0.0,
        )
        raise Refusal(40001, "invalid credential")
    state.wrong_secrets.pop(ip, None)
    token, left = state.issue_token(app)
    return {**OK, "access_token": token, "expires_in": left}


def get_user_by_code(state: State, app: App, query: Mapping[str, str]) -> dict[str, Any]:
    """Swap a one-time code for the person."""
    code = query.get("code", "")
    if not code:
        raise Refusal(41008, "code missing")
    held = state.codes.get(code)
    if held is None:
        raise Refusal(40029, "invalid code")
    if held["used"]:
        raise Refusal(42022, "code been used")
    if state.clock.time() > held["expires_at"]:
        raise Refusal(42003, "code expired")
    held["used"] = True
    if "external_userid" in held:
        return {**OK, "openid": held.get("openid", ""), "external_userid": held["external_userid"]}
    return {**OK, "userid": held["userid"]}


def get_user(state: State, app: App, query: Mapping[str, str]) -> dict[str, Any]:
    """Return a member of the corp."""
    name = query.get("userid", "")
    if not name:
        raise Refusal(41009, "userid missing")
    row = state.people.get(name.casefold())
    if row is None:
        raise Refusal(60111, "userid not found")
    if not row.get("visible", True):
        raise Refusal(60011, "no privilege to access/modify contact/party/agent")
    return {**OK, **_person(row)}


def list_users(state: State, app: App, query: Mapping[str, str]) -> dict[str, Any]:
    """Return the full records of one department (one level)."""
    return {**OK, "userlist": [_person(row) for row in _members(state, query)]}


def list_users_simple(state: State, app: App, query: Mapping[str, str]) -> dict[str, Any]:
    """Return names only."""
    rows = _members(state, query)
    return {**OK, "userlist": [{key: row[key] for key in ("userid", "name", "department")} for row in rows]}


def list_departments(state: State, app: App, query: Mapping[str, str]) -> dict[str, Any]:
    """Return a department and all below it."""
    return {**OK, "department": _departments(state, query)}


def list_departments_simple(state: State, app: App, query: Mapping[str, str]) -> dict[str, Any]:
    """Return ids only."""
    return {
        **OK,
        "department_id": [{key: row[key] for key in ("id", "parentid", "order")} for row in _departments(state, query)],
    }


def get_agent(state: State, app: App, query: Mapping[str, str]) -> dict[str, Any]:
    """Return the app's visible range and switches."""
    if not query.get("agentid", "").isdigit() or int(query["agentid"]) != app.agentid:
        raise Refusal(301002, "no privilege for this agentid")
    seen = [{"userid": row["userid"]} for row in state.people.values() if row.get("visible", True)]
    return {
        **OK, "agentid": app.agentid, "name": "业绩宝", "close": int(not app.enabled), "redirect_domain": app.redirect_domain,
        "home_url": app.home_url,
        "allow_userinfos": {"user": seen}, "allow_partys": {"partyid": []}, "allow_tags": {"tagid": []},
    }  # fmt: skip


def get_corp_ticket(state: State, app: App, query: Mapping[str, str]) -> dict[str, Any]:
    """Return the ticket for `wx.config`."""
    if "type" in query:
        raise Refusal(91040, "invalid ticket type")
    _count_ticket(state, app)
    state.corp_ticket = state.ticket(state.corp_ticket)
    return {**OK, "ticket": state.corp_ticket[0], "expires_in": int(state.corp_ticket[1] - state.clock.time())}


def get_agent_ticket(state: State, app: App, query: Mapping[str, str]) -> dict[str, Any]:
    """Return the ticket for `wx.agentConfig`."""
    if query.get("type") != "agent_config":
        raise Refusal(91040, "invalid ticket type")
    _count_ticket(state, app)
    app.ticket = state.ticket(app.ticket)
    return {**OK, "ticket": app.ticket[0], "expires_in": int(app.ticket[1] - state.clock.time())}


def get_callback_ips(state: State, app: App, query: Mapping[str, str]) -> dict[str, Any]:
    """Return where callbacks come from."""
    return {**OK, "ip_list": ["127.0.0.1"]}


def list_contacts(state: State, app: App, query: Mapping[str, str]) -> dict[str, Any]:
    """Return the customers of one member; none at all is an error of its own."""
    name = query.get("userid", "")
    if not name:
        raise Refusal(41009, "userid missing")
    row = state.people.get(name.casefold())
    if row is None:
        raise Refusal(60111, "userid not found")
    if row.get("external_right", True) is False:
        raise Refusal(84074, "no permission of external contact")
    held = state.contacts_of.get(name.casefold())
    if not held:
        raise Refusal(84061, "not external contact")
    return {**OK, "external_userid": list(held)}


def get_contact(state: State, app: App, query: Mapping[str, str]) -> dict[str, Any]:
    """Return a customer and who follows him."""
    external = query.get("external_userid", "")
    if not external:
        raise Refusal(41035, "external_userid missing")
    contact = state.contacts.get(external)
    if contact is None:
        raise Refusal(40096, "invalid external userid")
    followers = [item for item in contact["follow_user"] if not item.get("deleted")]
    if not followers:
        raise Refusal(84061, "not external contact")
    followers = [item | {"tags": tags.shown(state, item)} for item in followers]
    return {**OK, "external_contact": contact["external_contact"], "follow_user": followers}


def list_followers(state: State, app: App, query: Mapping[str, str]) -> dict[str, Any]:
    """Return the members who may have customers."""
    rows = state.people.values()
    return {
        **OK,
        "follow_user": [row["userid"] for row in rows if row.get("external_right", True) and row.get("visible", True)],
    }


def _person(row: dict[str, Any]) -> dict[str, Any]:
    return {key: row[key] for key in PERSON_FIELDS if key in row}


def _members(state: State, query: Mapping[str, str]) -> list[dict[str, Any]]:
    number = _department(state, query.get("department_id", ""))
    return [row for row in state.people.values() if number in row["department"] and row.get("visible", True)]


def _departments(state: State, query: Mapping[str, str]) -> list[dict[str, Any]]:
    if not query.get("id"):
        return list(state.departments.values())
    wanted = {_department(state, query["id"])}
    while more := {row["id"] for row in state.departments.values() if row["parentid"] in wanted} - wanted:
        wanted |= more
    return [row for row in state.departments.values() if row["id"] in wanted]


def _department(state: State, text: str) -> int:
    if not text.isdigit() or int(text) not in state.departments:
        raise Refusal(60123, "invalid party id")
    return int(text)


def _count_ticket(state: State, app: App) -> None:
    now, figures = state.clock.time(), state.figures
    for key, limit in (("ticket/corp", figures.ticket_corp_hour), (f"ticket/{app.agentid}", figures.ticket_app_hour)):
        if not state.windows[key].hit(now, minute=limit, hour=limit):
            raise Refusal(45009, "api freq out of limit")
