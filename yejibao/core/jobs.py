"""Jobs of the ground floor."""

from celery import shared_task

from . import audit_keeping, clock, files, health, heart, sealing, secret_marks
from .outbox import keeping


@shared_task
def heartbeat(**_: object) -> None:
    """Say that a worker takes and ends jobs. Every 15 seconds, on the default queue."""
    heart.beat("worker")


@shared_task
def watch_health(**_: object) -> dict[str, int]:
    """Look at all signs, so that a change is noted when it happens and not when somebody opens the page. Each minute."""
    signs = health.read_signs(clock.now())
    return {"not_well": sum(isinstance(one, dict) and not one["ok"] for one in signs.values())}


@shared_task
def seal_audit(**_: object) -> dict[str, int]:
    """Seal the audit rows of the day. Nightly."""
    made = sealing.seal(now=clock.now())
    return {"rows": made.rows if made else 0}


@shared_task
def thin_audit(**_: object) -> dict[str, int]:
    """Delete audit rows whose three years (reveals: five) are over, seal by seal. Nightly; stops by itself after ten minutes."""
    return audit_keeping.thin_out(now=clock.system_now())


@shared_task
def tidy_outbox(**_: object) -> dict[str, int]:
    """Clear old bodies, delete old messages and events. Nightly; stops by itself after ten minutes."""
    return keeping.tidy_up(now=clock.now())


@shared_task
def notice_secrets(**_: object) -> dict[str, int]:
    """Note and record which secrets were replaced. Every ten minutes."""
    return secret_marks.notice(now=clock.now())


@shared_task
def tidy_files(**_: object) -> dict[str, int]:
    """Delete what was uploaded and never used. Nightly."""
    return {"files": files.sweep(now=clock.now())}
