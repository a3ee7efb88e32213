"""Tasks for programs: the guide's list, one task, and the acts on it as POST sub-resources (design.md, style.md §3)."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from guides.org import matrix
from tasks.scripts.ranking import Offered, offer
from yejibao.core import access, clock, idempotency
from yejibao.core.errors import Invalid

from . import services
from .acts import prepare, state_of
from .labels import CALL_RESULTS, LATER_REASONS, OUTCOMES
from .models import Task
from .queries import Story, list_tasks, open_story, read_task
from .scoped import DO, READ

STATES = [state.value for state in Task.State]
DOERS = access.Roles(roles=matrix.holders(DO))
READERS = access.Roles(roles=matrix.holders(READ))


# ---------------------------------------------------------------- shapes


class MemberBrief(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    called = serializers.CharField(help_text="how he is addressed")
    tier = serializers.CharField()
    level = serializers.CharField()


class StaffBrief(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()


class TaskRow(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    type = serializers.CharField()
    node = serializers.CharField(help_text="m30, d3, d30, d60, d90, or empty")
    label = serializers.CharField()
    state = serializers.ChoiceField(choices=STATES)
    section = serializers.ChoiceField(choices=["now", "today", "week"])
    is_overdue = serializers.BooleanField()
    priority = serializers.IntegerField()
    channel = serializers.ChoiceField(choices=Task.Channel.values)
    open_at = serializers.DateTimeField()
    due_at = serializers.DateTimeField()
    expire_at = serializers.DateTimeField()
    done_at = serializers.DateTimeField(allow_null=True)
    hidden_until = serializers.DateTimeField(allow_null=True)
    outcome = serializers.CharField()
    evidence_level = serializers.IntegerField(allow_null=True)
    why = serializers.CharField()
    member = MemberBrief()
    assignee = StaffBrief()


class TaskPageOut(serializers.Serializer[Any]):
    results = TaskRow(many=True)
    next_cursor = serializers.CharField(allow_null=True)
    as_of = serializers.DateTimeField()


class ScriptOut(serializers.Serializer[Any]):
    key = serializers.CharField()
    title = serializers.CharField()
    tone = serializers.CharField()
    text = serializers.CharField()
    spans = serializers.ListField(child=serializers.ListField(child=serializers.IntegerField()))


class TaskDetailOut(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    type = serializers.CharField()
    label = serializers.CharField()
    state = serializers.ChoiceField(choices=STATES)
    headline = serializers.CharField()
    why = serializers.CharField()
    sentence = serializers.CharField(help_text="why nothing is to be done; empty while it is to be done")
    channel = serializers.ChoiceField(choices=Task.Channel.values)
    due_at = serializers.DateTimeField()
    expire_at = serializers.DateTimeField()
    is_open_hours = serializers.BooleanField()
    can_do = serializers.BooleanField()
    can_chat = serializers.BooleanField()
    outcome = serializers.CharField()
    outcomes = serializers.ListField(child=serializers.DictField(child=serializers.CharField()))
    trail = serializers.ListField(child=serializers.DictField(child=serializers.CharField()))
    member = MemberBrief()
    also = serializers.ListField(child=serializers.DictField(), help_text="other tasks of this member on the same list")
    scripts = ScriptOut(many=True)


class TaskStateOut(serializers.Serializer[Any]):
    """What a task looks like after an act."""

    id = serializers.IntegerField()
    state = serializers.ChoiceField(choices=STATES)
    due_at = serializers.DateTimeField()
    done_at = serializers.DateTimeField(allow_null=True)
    undo_until = serializers.DateTimeField(allow_null=True)
    hidden_until = serializers.DateTimeField(allow_null=True)
    outcome = serializers.CharField(allow_blank=True)
    evidence_kind = serializers.CharField(allow_blank=True)
    evidence_level = serializers.IntegerField(allow_null=True)


class PreparedOut(serializers.Serializer[Any]):
    pending_id = serializers.IntegerField()
    text = serializers.CharField()
    script_key = serializers.CharField(allow_blank=True)
    external_user_id = serializers.CharField(allow_null=True, help_text="null: he is no friend of this guide")


class SkipRequestOut(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    state = serializers.CharField()
    reason = serializers.CharField()


class AlsoIn(serializers.Serializer[Any]):
    also = serializers.ListField(
        child=serializers.IntegerField(min_value=1), required=False, default=list, max_length=20,
        help_text="ids of tasks of the same member done along the way",
    )  # fmt: skip


class PrepareIn(serializers.Serializer[Any]):
    script_key = serializers.CharField(required=False, allow_blank=True, default="", max_length=48)
    text = serializers.CharField(
        required=False, allow_blank=True, default="", max_length=2000, help_text="empty: the script as it is offered"
    )


class SentIn(AlsoIn):
    text = serializers.CharField(max_length=2000)
    script_key = serializers.CharField(required=False, allow_blank=True, default="", max_length=48)
    was_edited = serializers.BooleanField(required=False, default=False)
    receipt = serializers.DictField(required=False, default=dict, help_text="what the client's callback said")
    care_mode = serializers.BooleanField(required=False, default=False)


class ClaimedIn(AlsoIn):
    text = serializers.CharField(required=False, allow_blank=True, default="", max_length=2000)
    script_key = serializers.CharField(required=False, allow_blank=True, default="", max_length=48)
    care_mode = serializers.BooleanField(required=False, default=False)


class CallIn(AlsoIn):
    result = serializers.ChoiceField(choices=list(CALL_RESULTS))
    note = serializers.CharField(min_length=5, max_length=500)


class OutcomeIn(serializers.Serializer[Any]):
    outcome = serializers.ChoiceField(choices=list(OUTCOMES))
    visit_at = serializers.DateTimeField(required=False, allow_null=True, default=None)
    sku_ids = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=2**62), required=False, default=list, max_length=6,
        help_text="约到店时留的货",
    )  # fmt: skip
    wants_reminder = serializers.BooleanField(required=False, default=True, help_text="约到店：当天提醒导购")


class LaterIn(serializers.Serializer[Any]):
    until = serializers.DateTimeField()
    reason = serializers.ChoiceField(choices=list(LATER_REASONS))


class SkipIn(serializers.Serializer[Any]):
    reason = serializers.CharField(min_length=2, max_length=120)


class NothingIn(serializers.Serializer[Any]):
    pass


# ---------------------------------------------------------------- reading


class TaskListView(APIView):
    """The tasks one may see, in the order of 今日: 20 a page."""

    access = READERS

    @extend_schema(
        operation_id="tasks_list",
        parameters=[
            OpenApiParameter("state", str, enum=STATES, description="default open: what stands on the list now"),
            OpenApiParameter("type", str, description="one task kind, e.g. followup_d3"),
            OpenApiParameter("mine", bool, description="only one's own, for people who also see a store's"),
            OpenApiParameter("cursor", str, description="next_cursor of the page before"),
        ],
        responses=TaskPageOut,
    )
    def get(self, request: Request) -> HttpResponse:
        asked = request.query_params
        state = asked.get("state", Task.State.OPEN)
        if state not in STATES:
            raise Invalid(errors=[{"field": "state", "code": "choice", "message": "没有这个状态"}])
        page = list_tasks(
            request.actor, now=clock.now(), state=Task.State(state), kind=asked.get("type", ""),
            is_own=asked.get("mine", "") in ("1", "true"), cursor=asked.get("cursor", ""),
        )  # fmt: skip
        facts = json.dumps({"next_cursor": page.next_cursor, "as_of": page.as_of.isoformat()})
        return HttpResponse(f'{{"results":{page.results},{facts[1:]}', content_type="application/json")


class TaskView(APIView):
    """One task with its reason, its trail and the scripts on offer."""

    access = READERS

    @extend_schema(operation_id="tasks_read", responses=TaskDetailOut)
    def get(self, request: Request, pk: int) -> Response:
        now = clock.now()
        story = open_story(request.actor, pk, now=now)
        return Response(_detail(story, offer(story.task, guide=story.task.assignee, now=now, words=story.words)))


def _detail(story: Story, offers: list[Offered]) -> dict[str, Any]:
    task, member = story.task, story.member
    return {
        "id": task.pk, "type": task.task_type, "label": story.label, "state": task.state, "headline": story.headline,
        "why": task.why, "sentence": story.sentence, "channel": task.channel, "due_at": task.due_at,
        "expire_at": task.expire_at, "is_open_hours": story.is_open_hours, "can_do": story.can_do,
        "can_chat": story.is_friend, "outcome": task.outcome,
        "outcomes": [{"key": key, "name": name} for key, name in story.chips],
        "trail": story.trail,
        "member": {"id": str(member.public_id), "name": member.name, "called": member.called, "tier": member.tier_631,
                   "level": member.member_level},
        "also": [{"id": one.pk, "type": one.task_type, "why": one.why, "due_at": one.due_at} for one in story.also],
        "scripts": [
            {"key": one.key, "title": one.title, "tone": one.tone, "text": one.text, "spans": one.spans} for one in offers
        ],
    }  # fmt: skip


# ---------------------------------------------------------------- acts


class Act(APIView):
    """An act on one task: shape, one service call, once per Idempotency-Key."""

    access = DOERS
    form: type[serializers.Serializer[Any]] = NothingIn
    also_handed_on = False

    def post(self, request: Request, pk: int) -> Response:
        form = self.form(data=request.data)
        form.is_valid(raise_exception=True)
        wanted, now = dict(form.validated_data), clock.now()
        task = read_task(request.actor, pk, or_prepared=self.also_handed_on)
        answer, replayed = idempotency.once(
            request._request, wanted, lambda: self.act(request, task, wanted, now), keeping=(services.NotSendable,)
        )
        return Response(answer, headers={"Idempotency-Replayed": "true"} if replayed else None)

    def act(self, request: Request, task: Task, wanted: dict[str, Any], now: datetime) -> dict[str, Any]:
        raise NotImplementedError


def _schema(name: str, answer: type[serializers.Serializer[Any]] = TaskStateOut) -> Callable[[type[Act]], type[Act]]:
    key = OpenApiParameter(
        "Idempotency-Key", str, OpenApiParameter.HEADER, description="made before the first try; same key, same answer"
    )

    def describe(view: type[Act]) -> type[Act]:
        described = extend_schema(
            operation_id=f"tasks_{name}", request=None if view.form is NothingIn else view.form, parameters=[key],
            responses=answer, description=view.__doc__,
        )  # fmt: skip
        view.post = described(_own(view))  # type: ignore[method-assign]
        return view

    return describe


def _own(view: type[Act]) -> Callable[..., Response]:
    """Return a `post` of the view's own, so that its description stays with it."""

    def post(self: Act, request: Request, pk: int) -> Response:
        return Act.post(self, request, pk)

    post.__doc__ = view.__doc__
    return post


@_schema("send", PreparedOut)
class SendView(Act):
    """Prepare a send: the rules are checked again, the text waits for one tap in the chat (evidence level 1)."""

    form = PrepareIn

    def act(self, request: Request, task: Task, wanted: dict[str, Any], now: datetime) -> dict[str, Any]:
        return prepare(task, actor=request.actor, now=now, **wanted)


@_schema("sent")
class SentView(Act):
    """The client said that the message left (sendChatMessage:ok): evidence level 2, the task is done."""

    form = SentIn
    also_handed_on = True  # the message did leave

    def act(self, request: Request, task: Task, wanted: dict[str, Any], now: datetime) -> dict[str, Any]:
        return state_of(services.record_sent(task, actor=request.actor, now=now, **wanted))


@_schema("claimed")
class ClaimedView(Act):
    """The guide says she pasted it herself (我发了): level 0, looked at in the spot check."""

    form = ClaimedIn

    def act(self, request: Request, task: Task, wanted: dict[str, Any], now: datetime) -> dict[str, Any]:
        return state_of(services.record_claimed(task, actor=request.actor, now=now, **wanted))


@_schema("call")
class CallView(Act):
    """Keep the result of a phone call with a note."""

    form = CallIn

    def act(self, request: Request, task: Task, wanted: dict[str, Any], now: datetime) -> dict[str, Any]:
        return state_of(services.log_call(task, actor=request.actor, now=now, **wanted))


@_schema("outcome")
class OutcomeView(Act):
    """Set or change what came of it."""

    form = OutcomeIn

    def act(self, request: Request, task: Task, wanted: dict[str, Any], now: datetime) -> dict[str, Any]:
        return state_of(services.set_outcome(task, actor=request.actor, now=now, **wanted))


@_schema("undo")
class UndoView(Act):
    """Take a done back within seconds."""

    def act(self, request: Request, task: Task, wanted: dict[str, Any], now: datetime) -> dict[str, Any]:
        return state_of(services.undo(task, actor=request.actor, now=now))


@_schema("later")
class LaterView(Act):
    """稍后: hide the card until a time in business hours before it expires; the due time stands."""

    form = LaterIn

    def act(self, request: Request, task: Task, wanted: dict[str, Any], now: datetime) -> dict[str, Any]:
        return state_of(services.put_off(task, actor=request.actor, now=now, **wanted))


@_schema("skip_request", SkipRequestOut)
class SkipRequestView(Act):
    """Ask the store manager to skip a task."""

    form = SkipIn

    def act(self, request: Request, task: Task, wanted: dict[str, Any], now: datetime) -> dict[str, Any]:
        asked = services.ask_skip(task, actor=request.actor, now=now, **wanted)
        return {"id": asked.pk, "state": asked.state, "reason": asked.reason}
