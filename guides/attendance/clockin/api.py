"""Clocking in over REST: a number for one press, and the press."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from yejibao.core import clock, idempotency
from yejibao.core.access import Roles
from yejibao.core.words import clock_time

from . import nonces
from .dayend import settle_told
from .fencing import Fix
from .judging import ROLES
from .models import Datum, Side
from .services import NotThere, Taken, clock_in


class FixIn(serializers.Serializer[Any]):
    """What the phone tells of where it is."""

    latitude = serializers.FloatField(min_value=-90, max_value=90)
    longitude = serializers.FloatField(min_value=-180, max_value=180)
    datum = serializers.ChoiceField(choices=Datum.choices)
    accuracy_m = serializers.FloatField(min_value=0, max_value=100_000)
    age_s = serializers.FloatField(min_value=0, max_value=86_400, default=0)


class PressIn(serializers.Serializer[Any]):
    nonce = serializers.CharField(max_length=255)
    side = serializers.ChoiceField(choices=Side.choices)
    fix = FixIn(required=False, allow_null=True)
    bssid = serializers.CharField(max_length=32, required=False, allow_blank=True, default="")
    device = serializers.CharField(max_length=64, required=False, allow_blank=True, default="")


class PressOut(serializers.Serializer[Any]):
    state = serializers.CharField()
    state_name = serializers.CharField()
    at = serializers.DateTimeField()
    late_minutes = serializers.IntegerField()
    way = serializers.CharField()
    distance_m = serializers.IntegerField(allow_null=True)
    is_new = serializers.BooleanField()
    said = serializers.CharField()


class NonceOut(serializers.Serializer[Any]):
    nonce = serializers.CharField()


class NonceView(APIView):
    """One number for one press: good for 90 seconds, for this person in this browser."""

    access = Roles(roles=ROLES)
    limit = "clock"

    @extend_schema(operation_id="clock_in_nonce", request=None, responses=NonceOut, summary="领一个打卡编号")
    def post(self, request: Request) -> Response:
        session = request._request.session.session_key or ""
        return Response({"nonce": nonces.issue(staff_id=request.actor.staff_id or 0, session_key=session)})  # type: ignore[attr-defined]


class PressView(APIView):
    """上班 or 下班. The same press again hears the first answer; the number is spent by it."""

    access = Roles(roles=ROLES)
    limit = "clock"

    @extend_schema(operation_id="clock_in", request=PressIn, responses=PressOut, summary="打卡")
    def post(self, request: Request) -> Response:
        form = PressIn(data=request.data)
        form.is_valid(raise_exception=True)
        actor, given = request.actor, form.validated_data  # type: ignore[attr-defined]
        session = request._request.session.session_key or ""
        nonce = given.pop("nonce")
        key = nonces.key_of(nonce, staff_id=actor.staff_id or 0, session_key=session)
        fix = Fix(**given["fix"]) if given.get("fix") else None
        now = clock.now()

        def work() -> dict[str, Any]:
            try:
                taken = clock_in(
                    actor=actor, side=given["side"], fix=fix, bssid=given["bssid"], device=given["device"], key=key, now=now
                )  # fmt: skip
            except NotThere as refusal:
                refusal.extra["stood"] = nonces.sign_stood(actor.staff_id or 0, refusal.extra["distance_m"])
                raise
            settle_told(taken.punch.staff_id, taken.punch.day, now=now)
            return _answer(taken)

        answer, _replayed = idempotency.once(request._request, given, work, key=key)
        return Response(answer)


def _answer(taken: Taken) -> dict[str, Any]:
    record, punch = taken.record, taken.punch
    at = clock_time(punch.at)
    if punch.side == Side.OUT:
        said = f"下班卡 {at} 打好了"
    elif not taken.is_new:
        said = f"今天 {at} 已经打过上班卡"
    else:
        said = f"{at} 打好了" + (f"，迟到 {record.late_minutes} 分钟" if record.late_minutes else "")
    return {
        "state": record.state, "state_name": record.get_state_display(), "at": punch.at.isoformat(),
        "late_minutes": record.late_minutes, "way": punch.way, "distance_m": punch.distance_m, "is_new": taken.is_new,
        "said": said,
    }  # fmt: skip
