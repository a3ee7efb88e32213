"""Commands that carry an Idempotency-Key get one effect and one answer (reliability-security §4).

Same key and same request -> the stored answer; same key, other request -> 422; still running -> 409.
"""

import hashlib
import json
from collections.abc import Callable
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from rest_framework.utils.encoders import JSONEncoder

from . import clock
from .errors import Conflict, DomainError, Invalid, Malformed
from .models import IdempotencyKey
from .sql import twice_if_deadlocked


class KeyMismatch(Invalid):
    code = "idempotency.mismatch"


class InProgress(Conflict):
    code, retryable = "idempotency.in_progress", True


def fingerprint(method: str, path: str, body: bytes) -> str:
    """Return the hash that tells one request from another."""
    return hashlib.sha256(b"\n".join([method.encode(), path.encode(), body])).hexdigest()


def run(*, actor: str, key: str, request_sha: str, work: Callable[[], tuple[int, Any]]) -> tuple[int, Any, bool]:
    """Run `work` once for (actor, key) and return (status, body, replayed).

    Success and business refusals (DomainError below 500) are stored; anything else is not, so it may be tried again.
    Where it lost a deadlock, it is: `work` starts from the rows as they are, not from what it did the first time.
    """
    if not key:
        status, body = twice_if_deadlocked(work)
        return status, body, False
    if len(key) > 64:
        raise Malformed("Idempotency-Key 最多 64 个字符")
    return twice_if_deadlocked(lambda: _run(actor, key, request_sha, work))


def _run(actor: str, key: str, request_sha: str, work: Callable[[], tuple[int, Any]]) -> tuple[int, Any, bool]:
    with transaction.atomic():
        with connection.cursor() as cursor:  # the second of two at once is told so, it does not wait
            cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 1))", [f"{actor}/{key}"])
            if not cursor.fetchone()[0]:
                raise InProgress("上一次还没处理完", retry_after=1)
        stored = IdempotencyKey.objects.filter(actor=actor, key=key).first()
        if stored:
            if stored.request_sha != request_sha:
                raise KeyMismatch("同一个请求编号不能用于不同的内容")
            return stored.status or 200, stored.body, True
        try:
            with transaction.atomic():
                status, body = work()
        except DomainError as refusal:
            if refusal.status >= 500:
                raise
            status, body = refusal.status, refusal.problem()
        try:
            IdempotencyKey.objects.create(
                actor=actor,
                key=key,
                request_sha=request_sha,
                status=status,
                body=json.loads(json.dumps(body, default=str)),
                created_at=clock.now(),
            )
        except IntegrityError as error:
            raise InProgress() from error
        return status, body, False


STANDARD = ("type", "title", "status", "code", "detail", "instance", "request_id", "retryable", "errors")


def given_key(request: HttpRequest) -> str:
    """Return the key a caller made before his first try: a header, or the form's field."""
    return str(request.headers.get("Idempotency-Key", "") or request.POST.get("idempotency_key", ""))


def must_have_key(request: HttpRequest) -> str:
    """Return the caller's key; what moves money is not begun without one. Raises Malformed."""
    key = given_key(request)
    if not key:
        raise Malformed(_("缺少 Idempotency-Key，请回到上一页再来一次"))
    return key


def once(
    request: HttpRequest,
    content: Any,
    work: Callable[[], dict[str, Any]],
    *,
    keeping: tuple[type[DomainError], ...] = (),
    key: str = "",
) -> tuple[dict[str, Any], bool]:
    """Run a person's command once per key of the request; return (answer, replayed) or raise the refusal, stored or new.

    The key is the header `Idempotency-Key`, or the form field `idempotency_key`, unless the server gave it: `key`. `content` is what the command was asked
    to do. A refusal of a kind in `keeping` is not rolled back: what the rule changed on its way to say no stands.
    """
    key = key or given_key(request)
    body = json.dumps(content, sort_keys=True, default=str, ensure_ascii=False).encode()

    def settled() -> tuple[int, Any]:
        try:
            return 200, json.loads(json.dumps(work(), cls=JSONEncoder))  # a replay answers the very same
        except keeping as refusal:
            return refusal.status, refusal.problem()

    status, answer, replayed = run(
        actor=request.actor.key or "staff:None",  # type: ignore[attr-defined]
        key=key,
        request_sha=fingerprint(request.method or "", request.path, body),
        work=settled,
    )
    if status >= 400:
        raise _restored(answer)
    return answer, replayed


def _restored(problem: dict[str, Any]) -> DomainError:
    """Return the refusal a stored problem was made from."""
    facts = {name: value for name, value in problem.items() if name not in STANDARD}
    refusal = DomainError(problem["detail"], errors=problem.get("errors"), **facts)
    refusal.status, refusal.code, refusal.title = problem["status"], problem["code"], problem["title"]
    refusal.retryable = problem["retryable"]
    return refusal
