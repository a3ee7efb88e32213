"""Says what stands between this installation and a working app in the platform's console, and where to mend it.

A check is a function of a `Patient` that returns a `Finding`; departments add theirs (`@doctor.check(...)`), as with
`core.health`. Nothing is changed by looking, and no secret appears in what is said.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Any

from ..errors import GatewayError
from ..gateway import Gateway
from ..gateway import default as default_gateway

log = logging.getLogger("yejibao.doctor")


class State(StrEnum):
    """What a check found. ASK: no interface tells, a person has to look; SKIPPED: another finding comes first."""

    OK = "ok"
    WRONG = "wrong"
    ASK = "ask"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Finding:
    """One line of the report. `found` says what is, `mend` what to do, `where` the path in the console or the setting."""

    state: State
    found: str
    mend: str = ""
    where: str = ""
    key: str = ""
    title: str = ""


def ok(found: str) -> Finding:
    return Finding(State.OK, found)


def wrong(found: str, mend: str, where: str) -> Finding:
    return Finding(State.WRONG, found, mend, where)


def ask(found: str, mend: str, where: str) -> Finding:
    return Finding(State.ASK, found, mend, where)


SKIPPED = Finding(State.SKIPPED, "先修好上面的问题，这一项才查得到")


class Patient:
    """What the checks look at: the app of the settings, asked once for what several of them want to know."""

    def __init__(self, now: datetime, gateway: Gateway | None = None) -> None:
        self.now = now
        self.gateway = gateway or default_gateway()
        self.found: dict[str, Finding] = {}  # by key, what the checks before this one said

    def is_wrong(self, key: str) -> bool:
        """Tell whether an earlier check found something to mend: what follows from it is not a second fault."""
        return key in self.found and self.found[key].state is State.WRONG

    @cached_property
    def token_error(self) -> GatewayError | None:
        """Why the platform gives no token to this corp and secret, asked afresh; None when it does."""
        try:
            self.gateway.check_secret()
        except GatewayError as error:
            return error
        return None

    @cached_property
    def agent(self) -> dict[str, Any]:
        """What the console says of the app. Raises GatewayError."""
        return self.gateway.get("agent/get", agentid=self.gateway.app.agent_id)

    @cached_property
    def is_let_in(self) -> bool:
        """Whether calls of the app are answered at all: the ground on which the other online checks stand."""
        if self.token_error:
            return False
        try:
            return bool(self.agent)
        except GatewayError:
            return False


@dataclass(frozen=True)
class _Check:
    key: str
    title: str
    run: Callable[[Patient], Finding]
    order: int
    is_online: bool


_checks: dict[str, _Check] = {}


def check(
    key: str, title: str, *, order: int, is_online: bool = False
) -> Callable[[Callable[[Patient], Finding]], Callable[[Patient], Finding]]:
    """Add a check to the report. An online one is skipped while the platform does not let the app in."""

    def add(run: Callable[[Patient], Finding]) -> Callable[[Patient], Finding]:
        _checks[key] = _Check(key, title, run, order, is_online)
        return run

    return add


def examine(patient: Patient) -> Iterator[Finding]:
    """Run every check in order, one finding each."""
    for each in sorted(_checks.values(), key=lambda one: one.order):
        patient.found[each.key] = finding = replace(_run(each, patient), key=each.key, title=each.title)
        yield finding


def _run(each: _Check, patient: Patient) -> Finding:
    if each.is_online and not patient.is_let_in:
        return SKIPPED
    try:
        return each.run(patient)
    except GatewayError as error:
        return wrong(
            f"企业微信没有答好这次询问（{error.code or error.kind.value}）",
            "过一分钟再检查一次；仍不行请把这一行发给运维",
            "—",
        )
    except Exception as error:
        log.exception("doctor: %s did not finish", each.key)
        return wrong(
            f"这项检查自己没有做完（{type(error).__name__}）", "请把服务日志里 doctor 的一段发给运维", "服务日志"
        )
