"""The address the platform calls: `/wecom/callback/<app>/`. Takes in, answers, nothing else (reliability-security §7)."""

import logging

from django.core.exceptions import SuspiciousOperation
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.request import UnreadablePostError
from django.views.decorators.csrf import csrf_exempt

from yejibao.core import access, clock
from yejibao.core.errors import DomainError, Forbidden, Malformed, NotFound, TooLarge, Unavailable

from . import xml
from .crypto import Keys, Refused, check_signature, decrypt
from .receivers import count_refused, keys_of
from .services import take_in

log = logging.getLogger(__name__)

MAX_BYTES = 256 * 1024
LONGEST_PARAMETER = 256  # of those that are no text to decrypt
FORGED = {"signature", "receiver"}


@csrf_exempt
@access.anonymous("called by the platform; every request is verified by the app's own signature and key")
def callback(request: HttpRequest, app: str) -> HttpResponse:
    """GET: the console's check of the address. POST: an event."""
    if request.method not in ("GET", "POST"):
        return HttpResponseNotAllowed(["GET", "POST"])
    keys = keys_of(app)
    if keys is None:
        raise NotFound()
    try:
        return _echo(request, keys) if request.method == "GET" else _event(request, app, keys)
    except Refused as refusal:
        count_refused(app, refusal.reason)
        raise _problem(refusal) from None
    except DatabaseError as error:
        log.warning("a callback could not be stored: %s", type(error).__name__)
        raise Unavailable(retry_after=5) from None


def _problem(refusal: Refused) -> DomainError:
    if refusal.reason == "too_large":
        return TooLarge()
    problem: DomainError = Forbidden() if refusal.reason in FORGED else Malformed()
    problem.code = f"callback.{refusal.reason}"
    return problem


def _echo(request: HttpRequest, keys: Keys) -> HttpResponse:
    (encrypted,) = _once(request, "echostr", longest=MAX_BYTES)
    message = _open(request, keys, encrypted)
    return HttpResponse(message, content_type="text/plain; charset=utf-8")  # as it is: no quotes, no newline


def _event(request: HttpRequest, app: str, keys: Keys) -> HttpResponse:
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not length.isascii() or not length.isdecimal():
        raise Refused("length")
    if int(length) > MAX_BYTES:
        raise Refused("too_large")
    _once(request, "msg_signature", "timestamp", "nonce")  # before anything is read
    try:
        body = request.body
    except UnreadablePostError:
        raise Refused("cut_off") from None
    message = _open(request, keys, xml.read_envelope(body))
    xml.refuse_declarations(message)
    take_in(app, message, now=clock.now())
    return HttpResponse(b"success", content_type="text/plain")


def _open(request: HttpRequest, keys: Keys, encrypted: str) -> bytes:
    given, timestamp, nonce = _once(request, "msg_signature", "timestamp", "nonce")
    check_signature(keys, given, timestamp, nonce, encrypted)
    return decrypt(keys, encrypted)


def _once(request: HttpRequest, *names: str, longest: int = LONGEST_PARAMETER) -> list[str]:
    """Return query parameters that must be there exactly once each."""
    values = []
    try:
        for name in names:
            (value,) = request.GET.getlist(name)
            if not 0 < len(value) <= longest:
                raise Refused("parameters")
            values.append(value)
    except (ValueError, SuspiciousOperation):  # missing, repeated, or thousands of them
        raise Refused("parameters") from None
    return values
