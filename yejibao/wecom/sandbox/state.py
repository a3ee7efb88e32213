"""What the stand-in knows: its clock, apps and tokens, people and their customers, faults."""

import fnmatch
import json
import random
import secrets
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import Any

from .callbacks import Callbacks, Receiver
from .limits import Figures, Peak, Window

SHANGHAI_OFFSET = timedelta(hours=8)


class Refusal(Exception):
    """An errcode to answer with."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(code, message)
        self.code, self.message = code, message


class Clock:
    """The stand-in's time: the product's own, or a moment set from outside, standing still or running."""

    def __init__(self, base: Callable[[], datetime]) -> None:
        self._base = base
        self._frozen: float | None = None
        self._shift = 0.0

    def set(self, moment: datetime | None, *, running: bool = False) -> None:
        self._frozen, self._shift = None, 0.0
        if moment is None:
            return
        if running:
            self._shift = moment.timestamp() - self._base().timestamp()
        else:
            self._frozen = moment.timestamp()

    def time(self) -> float:
        return self._base().timestamp() + self._shift if self._frozen is None else self._frozen

    def day(self) -> str:
        """Return the natural day (Shanghai), by which daily limits end."""
        return (datetime.fromtimestamp(self.time(), UTC) + SHANGHAI_OFFSET).date().isoformat()


@dataclass
class App:
    """One self-built app of the corp."""

    agentid: int
    secret: str
    enabled: bool = True
    families: list[str] | None = None  # granted families of calls such as "externalcontact"; None: all
    trusted_ips: list[str] | None = None
    redirect_domain: str = ""  # 可信域名
    home_url: str = ""
    token: str = ""
    ticket: tuple[str, float] = ("", 0.0)


@dataclass
class Token:
    app: App
    expires_at: float
    forced: bool = False


@dataclass
class Fault:
    """A misbehaviour on demand: one of errcode, http, hang, reset, truncated, drop_after_effect, or latency alone."""

    id: int
    api: str = "*"
    errcode: int | None = None
    http: int | None = None
    hang: float = 0.0
    latency: float = 0.0
    jitter: float = 0.0
    reset: bool = False
    drop_after_effect: bool = False
    truncated: bool = False
    after_effect: bool = False
    percent: float = 100.0
    next_n: int | None = None
    hits: int = 0
    why: str = ""  # who ordered it, where that is not a person

    @classmethod
    def parse(cls, number: int, body: dict[str, Any]) -> "Fault":
        """Build from JSON; `hang: true` is a minute, `times` is `next_n`. Raises ValueError for an unknown field."""
        known = {item.name for item in fields(cls)} - {"id", "hits", "why"} | {"times"}
        if unknown := set(body) - known:
            raise ValueError(f"unknown fault fields: {sorted(unknown)}")
        values = dict(body)
        if values.get("hang") is True:
            values["hang"] = 60.0
        if "times" in values:
            values["next_n"] = values.pop("times")
        return cls(id=number, **values)

    @property
    def spent(self) -> bool:
        return self.next_n is not None and self.hits >= self.next_n


@dataclass
class State:
    """All of it. `reset` brings back an empty world, known apps and the platform's figures."""

    corp_id: str
    default_app: tuple[int, str]
    clock: Clock
    figures: Figures = field(default_factory=Figures)
    receivers: dict[str, Receiver] = field(default_factory=dict)  # where apps are called, from the command line
    product_url: str = ""  # where the product is, for what a code leads to
    own_url: str = ""  # where the stand-in itself listens

    def __post_init__(self) -> None:
        self.callbacks = Callbacks(self.corp_id, self.clock.time, self.receivers)
        self.reset()

    def reset(self, *, seed: int = 1) -> None:
        self.figures = Figures()
        self.clock.set(None)
        self.random = random.Random(seed)
        self.callbacks.reset(self.random)
        agentid, secret = self.default_app
        self.apps: dict[int, App] = {agentid: App(agentid, secret)}
        self.tokens: dict[str, Token] = {}
        self.people: dict[str, dict[str, Any]] = {}
        self.departments: dict[int, dict[str, Any]] = {1: {"id": 1, "name": "总部", "parentid": 0, "order": 1}}
        self.contacts: dict[str, dict[str, Any]] = {}
        self.contacts_of: dict[str, list[str]] = defaultdict(list)
        self.things: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)  # kind -> id -> {id, facts, gone}
        self.ways: dict[str, dict[str, Any]] = {}  # codes that add friends, by config_id
        self.welcome_codes: dict[str, dict[str, Any]] = {}
        self.left: set[tuple[str, str]] = set()  # (userid, customer) who deleted her: for the API still her contact
        self.cursor_age = 0
        self.codes: dict[str, dict[str, Any]] = {}
        self.mini_codes: dict[str, dict[str, Any]] = {}  # of members' phones: of the login, and of the number
        self.mini_token: tuple[str, float] = ("", 0.0)
        self.transfers: list[dict[str, Any]] = []
        self.faults: list[Fault] = []
        self.fault_number = 0
        self.wrong_secrets: dict[str, tuple[int, float]] = {}
        self.corp_ticket: tuple[str, float] = ("", 0.0)
        self.windows: dict[str, Window] = defaultdict(Window)
        self.in_flight: dict[str, int] = defaultdict(int)
        self.marking: set[tuple[str, str]] = set()  # pairs with a call of mark_tag under way
        self.calls: deque[dict[str, Any]] = deque(maxlen=self.figures.keep_calls)
        self.arrived = 0.0  # when the call that is being answered came in
        self.sequence = 0
        self.chats: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
        self.forget_messages()
        self.reset_stats()
        self.dirty = True

    def forget_messages(self) -> None:
        """As if no message had ever come; people, tokens and faults stay."""
        self.received: dict[str, deque[dict[str, Any]]] = {}
        self.by_msgid: dict[str, dict[str, Any]] = {}
        self.duplicates: dict[bytes, tuple[float, str]] = {}
        self.task_ids: set[tuple[int, str]] = set()
        self.response_codes: dict[str, dict[str, Any]] = {}  # each for one change of a card
        self.member_hits: dict[tuple[int, str], deque[float]] = defaultdict(deque)
        self.day_count: tuple[str, int] = ("", 0)
        self.dirty = True

    def reset_stats(self) -> None:
        self.counts: dict[str, int] = defaultdict(int)
        self.errors: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        self.second_peaks: dict[str, Peak] = defaultdict(lambda: Peak(1.0))
        self.minute_peaks: dict[str, Peak] = defaultdict(lambda: Peak(60.0))
        self.member_totals: dict[str, int] = defaultdict(int)
        self.delivered = self.suppressed = self.dropped = self.invalid = self.recalled = 0

    def next_sequence(self) -> int:
        self.sequence += 1
        return self.sequence

    # ------------------------------------------------------------ tokens and tickets
    def issue_token(self, app: App) -> tuple[str, int]:
        """Return the app's token and the seconds it has left; the same value as long as it is valid."""
        now = self.clock.time()
        held = self.tokens.get(app.token)
        if held is None or held.forced or held.expires_at <= now:
            app.token = secrets.token_urlsafe(64)
            held = self.tokens[app.token] = Token(app, now + self.figures.token_seconds)
        return app.token, int(held.expires_at - now)

    def app_of_token(self, value: str) -> App:
        """Return whose token it is, in the platform's order of refusals."""
        if not value:
            raise Refusal(41001, "access_token missing")
        held = self.tokens.get(value)
        if held is None:
            raise Refusal(40014, "invalid access_token")
        now = self.clock.time()
        if held.forced or held.expires_at <= now:
            if now > held.expires_at + self.figures.expired_grace_seconds:
                raise Refusal(40014, "invalid access_token")
            raise Refusal(42001, "access_token expired")
        if not held.app.enabled:
            raise Refusal(50003, "app disabled")
        return held.app

    def expire_tokens(self, *, forget: bool = False) -> int:
        count = len(self.tokens)
        if forget:
            self.tokens.clear()
        for held in self.tokens.values():
            held.forced = True
        return count

    def ticket(self, held: tuple[str, float]) -> tuple[str, float]:
        now = self.clock.time()
        return held if held[1] > now else (secrets.token_urlsafe(60), now + self.figures.token_seconds)

    # ------------------------------------------------------------ faults
    def fault_for(self, api: str) -> Fault | None:
        for fault in self.faults:
            if fault.spent or not (fault.api == api or fnmatch.fnmatchcase(api, fault.api)):
                continue
            if fault.percent < 100 and self.random.random() * 100 >= fault.percent:
                continue
            fault.hits += 1
            return fault
        return None

    # ------------------------------------------------------------ people
    def set_world(self, body: dict[str, Any]) -> dict[str, int]:
        """Add or change people, departments, contacts and apps; `replace: true` empties the world first."""
        if body.get("replace"):
            self.people.clear()
            self.contacts.clear()
            self.departments = {1: {"id": 1, "name": "总部", "parentid": 0, "order": 1}}
        for row in body.get("departments", ()):
            number = int(row["id"])
            self.departments[number] = {"parentid": 1, "order": number, "name": str(number), **row, "id": number}
        for row in body.get("people", ()):
            departments = row.get("department", [1])
            departments = [int(item) for item in (departments if isinstance(departments, list) else [departments])]
            self.people[str(row["userid"]).casefold()] = {
                "name": row["userid"], "status": 1, "position": "", "alias": "",
                "main_department": departments[0] if departments else 1,
                "order": [0] * len(departments), "is_leader_in_dept": [0] * len(departments),
                **row, "department": departments,
            }  # fmt: skip
        for row in body.get("contacts", ()):
            contact = self._contact(row)
            held = self.contacts.get(str(row["external_userid"])) if body.get("add_only") else None
            if held is None:
                self.contacts[str(row["external_userid"])] = contact
            else:  # what happened here since stays: remarks, who deleted whom
                names = {str(follow["userid"]).casefold() for follow in held["follow_user"]}
                held["follow_user"] += [
                    follow for follow in contact["follow_user"] if str(follow["userid"]).casefold() not in names
                ]
        for row in body.get("apps", ()):
            number = int(row["agentid"])
            app = self.apps.setdefault(number, App(number, str(row.get("secret", ""))))
            for key in ("secret", "enabled", "families", "trusted_ips", "redirect_domain", "home_url"):
                if key in row:
                    setattr(app, key, row[key])
        self.index_contacts()
        self.dirty = True
        return {"people": len(self.people), "contacts": len(self.contacts), "departments": len(self.departments)}

    def _contact(self, row: dict[str, Any]) -> dict[str, Any]:
        followers = []
        for item in row.get("followers", ()):
            item = item if isinstance(item, dict) else {"userid": item}
            followers.append(
                {"remark": row.get("name", ""), "description": "", "createtime": int(self.clock.time()), "tags": [],
                 "remark_mobiles": [], "oper_userid": item["userid"], "add_way": 1, **item}
            )  # fmt: skip
        facts = {key: value for key, value in row.items() if key != "followers"}
        return {"external_contact": {"type": 1, "gender": 0, "avatar": "", **facts}, "follow_user": followers}

    def index_contacts(self) -> None:
        self.contacts_of = defaultdict(list)
        for external, contact in self.contacts.items():
            for follower in contact["follow_user"]:
                if not follower.get("deleted"):
                    self.contacts_of[str(follower["userid"]).casefold()].append(external)

    def follows(self, userid: str, external_userid: str) -> bool:
        """Tell whether they can chat: she has him, and he has not deleted her."""
        pair = (userid.casefold(), external_userid)
        return external_userid in self.contacts_of.get(pair[0], ()) and pair not in self.left

    # ------------------------------------------------------------ snapshot
    def snapshot(self) -> str:
        """Return what survives a restart as JSON: the world, the chats, the messages and what suppresses duplicates."""
        return json.dumps(
            {
                "version": 1,
                "figures": asdict(self.figures),
                "sequence": self.sequence,
                "people": list(self.people.values()),
                "departments": list(self.departments.values()),
                "contacts": self.contacts,
                "ways": list(self.ways.values()),
                "left": sorted(self.left),
                "things": self.things,
                "transfers": self.transfers,
                "received": {person: list(items)[-200:] for person, items in self.received.items()},
                "duplicates": [(key.hex(), *value) for key, value in self.duplicates.items()],
                "task_ids": sorted(self.task_ids),
                "response_codes": self.response_codes,
                "chats": [(*pair, items[-500:]) for pair, items in self.chats.items()],
            },
            ensure_ascii=False,
        )

    def restore(self, text: str) -> None:
        """Load a snapshot. Raises ValueError or KeyError when it is not one."""
        data = json.loads(text)
        self.figures = Figures(**data["figures"])
        self.sequence = data["sequence"]
        self.set_world({"people": data["people"], "departments": data["departments"]})
        self.contacts = data["contacts"]
        self.ways = {way["config_id"]: way for way in data.get("ways", ())}
        self.left = {(userid, external) for userid, external in data.get("left", ())}
        self.index_contacts()
        self.transfers = data.get("transfers", [])
        for kind, held in data.get("things", {}).items():
            self.things[kind] |= held
        for person, items in data["received"].items():
            self.received[person] = deque(items, maxlen=self.figures.keep_per_person)
            for item in items:
                self.by_msgid[item["msgid"]] = item
        self.duplicates = {bytes.fromhex(key): (until, msgid) for key, until, msgid in data["duplicates"]}
        self.task_ids = {(agentid, task_id) for agentid, task_id in data.get("task_ids", ())}
        self.response_codes = data.get("response_codes", {})
        for userid, external_userid, items in data["chats"]:
            self.chats[userid, external_userid] = items
        self.dirty = False
