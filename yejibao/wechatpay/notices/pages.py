"""The address WeChat Pay calls: `/callbacks/wechatpay/<mchid>/`. Takes in, answers, nothing else (reliability-security §7)."""

import logging

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.http.request import UnreadablePostError
from django.views.decorators.csrf import csrf_exempt

from yejibao.core import access, clock
from yejibao.core.errors import Unavailable

from ..account import configured, is_on
from .crypto import Refused, Signed, check_signature, open_notice
from .refusals import count_refused
from .services import take_in

log = logging.getLogger(__name__)

MAX_BYTES = 256 * 1024
STATUS = {
    "too_large": 413,
    "signature": 401,
    "stale": 401,
    "probe": 401,
    "serial": 401,
    "algorithm": 401,
    "merchant": 403,
}


@csrf_exempt
@access.anonymous("called by WeChat Pay; every request is verified by the platform's signature over its raw bytes")
def notice(request: HttpRequest, mchid: str) -> HttpResponse:
    """Take in one notice. 200 says accepted; anything else makes the platform call again."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    if not is_on() or mchid != settings.WECHATPAY_MCHID:
        return _no("not_found", 404)
    try:
        _take(request)
    except Refused as refusal:
        count_refused(refusal.reason)
        return _no(refusal.reason, STATUS.get(refusal.reason, 400))
    except DatabaseError as error:
        log.warning("a notice of WeChat Pay could not be stored: %s", type(error).__name__)
        raise Unavailable(retry_after=5) from None
    return JsonResponse({"code": "SUCCESS", "message": "成功"})


def _take(request: HttpRequest) -> None:
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not length.isascii() or not length.isdecimal():
        raise Refused("length")
    if int(length[:12]) > MAX_BYTES:
        raise Refused("too_large")
    signed = Signed.read(request.META)
    try:
        body = request.body
    except UnreadablePostError:
        raise Refused("cut_off") from None
    if len(body) > MAX_BYTES:  # whatever its length was said to be
        raise Refused("too_large")
    account = configured()
    # The machine's clock: the platform does not follow a product's clock that a demo has turned.
    check_signature(account, signed, body, now=clock.system_now().timestamp())
    told = open_notice(account, body)
    for name, ours in (("mchid", account.mchid), ("appid", account.appid)):
        if told.facts.get(name, ours) != ours:
            raise Refused("merchant")
    take_in(told, now=clock.now())


def _no(reason: str, status: int) -> HttpResponse:
    return JsonResponse({"code": "FAIL", "message": f"callback.{reason}"}, status=status)
