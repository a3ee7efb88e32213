"""Moments: asked of members, published in the client (confirming.py), with the platform's jobs, quotas and pages.

They are kept as things of the kind `moment`, so a reset forgets them and a snapshot keeps them.
"""

import secrets
from collections.abc import Callable, Mapping

from .masses import OK, Facts, content_of, is_tagged, page_of, span_of
from .state import App, Refusal, State

MOMENT_SENDERS = 100_000
JOB_KEPT_SECONDS = 86_400
MOMENTS_MINUTE, MOMENTS_MONTH = 10, 100_000


def add_moment(state: State, app: App, body: Facts) -> Facts:
    """externalcontact/add_moment_task: a job, which makes a moment some seconds later."""
    text, attachments = content_of(body)
    if len(text) > 2000:
        raise Refusal(40058, "invalid text size")
    if len({one.get("msgtype") for one in attachments}) > 1:
        raise Refusal(40058, "invalid attachments msgtype")
    if attachments and attachments[0].get("msgtype") in ("video", "link") and len(attachments) > 1:
        raise Refusal(40058, "invalid attachments size")
    now = state.clock.time()
    made = [one["facts"]["create_time"] for one in state.things["moment"].values()]
    if sum(now - at < 60 for at in made) >= MOMENTS_MINUTE:
        raise Refusal(45009, "api freq out of limit")
    if sum(now - at < 30 * 86_400 for at in made) >= MOMENTS_MONTH:
        raise Refusal(41210, "moments of the month used up")
    visible = body.get("visible_range") or {}
    wanted = [str(one).casefold() for one in (visible.get("sender_list") or {}).get("user_list") or ()]
    tags = list((visible.get("external_contact_list") or {}).get("tag_list") or ())
    if len(wanted) > MOMENT_SENDERS:
        raise Refusal(40058, "too many senders")
    people = wanted or list(state.people)
    known = [one for one in people if one in state.people]
    if tags:
        known = [one for one in known if any(is_tagged(state.contacts[external], [{"tag_list": tags}])
                                             for external in state.contacts_of.get(one, ()))]  # fmt: skip
    job, moment = secrets.token_urlsafe(24), f"momGCAAA{secrets.token_urlsafe(20)}"
    state.things["moment"][moment] = {
        "id": moment, "gone": False,
        "facts": {
            "jobid": job, "text": text, "attachments": attachments, "tags": tags, "create_time": int(now), "cancelled": False,
            "ready_at": now + state.figures.moment_job_seconds, "tasks": {one: {"publish_status": 0} for one in known},
            "invalid": [one for one in wanted if one not in state.people], "results": {},
        },
    }  # fmt: skip
    state.dirty = True
    return {**OK, "jobid": job}


def read_job(state: State, app: App, query: Mapping[str, str]) -> Facts:
    """externalcontact/get_moment_task_result: 24 hours long."""
    now = state.clock.time()
    held = next((one for one in state.things["moment"].values() if one["facts"]["jobid"] == query.get("jobid")), None)
    if held is None or now - held["facts"]["create_time"] > JOB_KEPT_SECONDS:
        raise Refusal(40058, "invalid jobid")
    facts = held["facts"]
    if now < facts["ready_at"]:
        return {**OK, "status": 2, "type": "add_moment_task", "result": {}}
    result: Facts = {"errcode": 0, "errmsg": "ok", "moment_id": held["id"],
                     "invalid_sender_list": {"user_list": facts["invalid"], "department_list": []},
                     "invalid_external_contact_list": {"tag_list": []}}  # fmt: skip
    if not facts["tasks"]:
        result |= {"errcode": 41048, "errmsg": "no sender", "moment_id": ""}
    return {**OK, "status": 3, "type": "add_moment_task", "result": result}


def list_moments(state: State, app: App, body: Facts) -> Facts:
    """externalcontact/get_moment_list: 30 days at most, 20 a page."""
    since, until = span_of(body, days=30)
    rows = []
    for one in state.things["moment"].values():
        facts = one["facts"]
        if not since <= facts["create_time"] <= until or state.clock.time() < facts["ready_at"] or not facts["tasks"]:
            continue
        row = {"moment_id": one["id"], "create_time": facts["create_time"], "create_type": 0,
               "visible_type": 0 if facts["tags"] else 1, "text": {"content": facts["text"]}}  # fmt: skip
        for attachment in facts["attachments"]:
            kind = str(attachment.get("msgtype"))
            if kind == "image":
                row.setdefault("image", []).append({"media_id": attachment["image"]["media_id"]})
            else:
                row[kind] = attachment.get(kind)
        rows.append(row)
    return page_of(body, rows, "moment_list", most=20, usual=20)


def _moment(state: State, body: Facts) -> Facts:
    if not body.get("moment_id"):
        raise Refusal(41059, "moment_id missing")
    held = state.things["moment"].get(str(body["moment_id"]))
    if held is None or held["gone"]:
        raise Refusal(41060, "invalid moment_id")
    facts: Facts = held["facts"]
    if state.clock.time() < facts["ready_at"]:
        raise Refusal(41079, "the moment is being dispatched, try later")
    return facts


def list_moment_tasks(state: State, app: App, body: Facts) -> Facts:
    """externalcontact/get_moment_task: who was asked, and who has published it."""
    rows = [{"userid": userid, **task} for userid, task in _moment(state, body)["tasks"].items()]
    return page_of(body, rows, "task_list", most=1000, usual=500)


def list_moment_results(state: State, app: App, body: Facts) -> Facts:
    """externalcontact/get_moment_send_result: which customers of a member can see it."""
    facts, userid = _moment(state, body), str(body.get("userid") or "").casefold()
    rows = [{"external_userid": key} for key, result in facts["results"].items() if result["userid"] == userid]
    return page_of(body, rows, "customer_list", most=5000, usual=3000)


def list_moment_audience(state: State, app: App, body: Facts) -> Facts:
    """externalcontact/get_moment_customer_list: the customers it was meant for."""
    facts, userid = _moment(state, body), str(body.get("userid") or "").casefold()
    rows = [{"external_userid": one, "userid": userid} for one in audience_of(state, facts, userid)]
    return page_of(body, rows, "customer_list", most=1000, usual=500)


def read_comments(state: State, app: App, body: Facts) -> Facts:
    """externalcontact/get_moment_comments: nobody comments here."""
    _moment(state, body)
    return {**OK, "comment_list": [], "like_list": []}


def cancel_moment(state: State, app: App, body: Facts) -> Facts:
    """externalcontact/cancel_moment_task."""
    _moment(state, body)["cancelled"] = True
    state.dirty = True
    return dict(OK)


def audience_of(state: State, facts: Facts, userid: str) -> list[str]:
    """Return the customers of a member for whom a moment is meant."""
    groups = [{"tag_list": facts["tags"]}] if facts["tags"] else []
    return [one for one in state.contacts_of.get(userid, ()) if is_tagged(state.contacts[one], groups)]


READS: dict[str, Callable[[State, App, Mapping[str, str]], Facts]] = {
    "externalcontact/get_moment_task_result": read_job
}
WRITES: dict[str, Callable[[State, App, Facts], Facts]] = {
    "externalcontact/add_moment_task": add_moment,
    "externalcontact/get_moment_list": list_moments,
    "externalcontact/get_moment_task": list_moment_tasks,
    "externalcontact/get_moment_customer_list": list_moment_audience,
    "externalcontact/get_moment_send_result": list_moment_results,
    "externalcontact/get_moment_comments": read_comments,
    "externalcontact/cancel_moment_task": cancel_moment,
}
