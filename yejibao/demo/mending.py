"""What followed the patrols of the demo: reports shared and mostly read, problems mended, checked, sent back, late, waiting.

Opening and reports go through the product's own services, each at the end of its visit; how old findings ended is written at once.
"""

import random
from collections.abc import Sequence
from datetime import datetime, time, timedelta
from uuid import UUID

from guides.events import PatrolFinding
from guides.notices.models import Notification
from guides.notices.pushing import KIND as NOTICE
from guides.patrol.figures.services import count_again
from guides.patrol.models import Finding, PatrolPhoto, Visit
from guides.patrol.rectify.models import PHOTOS, FindingStep, Rectification
from guides.patrol.rectify.services import open_rectifications
from guides.patrol.reminders.services import remind
from guides.patrol.reports.models import ReportReader
from guides.patrol.reports.services import make_reports
from tasks.duties import rectifying
from yejibao.core import clock
from yejibao.core.files import StoredFile
from yejibao.core.models import OutboxEvent, OutboxMessage

SEED = 93
Step = FindingStep.Kind
NOTES = ("已经调整好了，按标准拍了照。", "换好了，店里一起复核过。", "清理完了，早会也说了一遍。", "灯换了，亮度一致。")
RETURNS = ("角落还有一处没改到", "照片看不清，再拍一张近的")
FRESH = timedelta(days=20)  # older ones are over


def build(*, now: datetime) -> None:
    """Let the problems of three months be mended, most of them in time."""
    dice = random.Random(SEED)
    for visit in Visit.objects.filter(state=Visit.State.SUBMITTED).order_by("submitted_at", "pk"):
        ended = visit.submitted_at or now
        open_findings = visit.findings.filter(state=Finding.State.PENDING).values_list("pk", flat=True)
        with clock.travelled(ended):
            open_rectifications(list(open_findings), now=ended)
            make_reports(visit.pk, now=ended)
    _mend(dice, now)
    _read(dice, now)
    # What happened then was told then.
    OutboxEvent.objects.filter(topic__in=("guides.patrol_submitted", PatrolFinding.topic), done_at=None).delete()
    OutboxMessage.objects.filter(kind=NOTICE, due_at__lt=now - timedelta(hours=2)).delete()
    Notification.objects.filter(kind="rectification", at__lt=now - timedelta(days=3)).update(read_at=now, message=None)
    _duties(now)
    count_again(now=now, months=4)
    remind(now=now)


def _mend(dice: random.Random, now: datetime) -> None:
    """Write how each finding went on: three steps at most, all in a few statements."""
    rows = list(Rectification.objects.with_finding().order_by("pk"))
    steps: list[FindingStep] = []
    after: list[FindingStep] = []
    for row in rows:
        finding, opened = row.finding, row.finding.opened_at
        window = (finding.deadline_at - opened).total_seconds()
        handed_in = opened + timedelta(seconds=window * dice.triangular(0.15, 1.12, 0.5))
        is_old = now - opened > FRESH
        fate = "done" if is_old else dice.choices(("done", "waits", "submitted", "open"), (6, 1, 2, 3))[0]
        if fate == "waits" and finding.item.department in ("engineering", "space"):
            row.waits_for, row.waits_since = "已报修，等工程部上门", opened + timedelta(hours=3)
            steps.append(_step(finding, Step.WAITS, row.waits_since, finding.owner_id, row.waits_for))
        handed_in = _awake(handed_in)
        if fate not in ("done", "submitted") or handed_in >= now - timedelta(hours=1):
            continue
        note = dice.choice(NOTES)
        if is_old and dice.random() < 0.12:
            sent_back = handed_in - timedelta(seconds=window * 0.1)
            steps.append(_step(finding, Step.SUBMITTED, sent_back - timedelta(minutes=50), finding.owner_id, note))
            steps.append(_step(finding, Step.REJECTED, sent_back, row.checker_id, dice.choice(RETURNS)))
            row.returned_count, row.round = 1, 2
        handed = _step(finding, Step.SUBMITTED, handed_in, finding.owner_id, note)
        steps.append(handed)
        after.append(handed)
        row.submitted_at, row.submitted_by_id = handed_in, finding.owner_id
        finding.state = Finding.State.SUBMITTED
        checked = _awake(handed_in + timedelta(hours=dice.triangular(2, 40, 12)))
        if fate == "done" and checked < now:
            finding.state, finding.closed_at = Finding.State.ACCEPTED, checked
            row.is_on_time, row.closed_by_id = handed_in <= finding.deadline_at, row.checker_id
            steps.append(_step(finding, Step.ACCEPTED, checked, row.checker_id, ""))
    steps.sort(key=lambda one: (one.at, one.finding_id))
    FindingStep.objects.bulk_create(steps, batch_size=1000)
    Finding.objects.bulk_update([row.finding for row in rows], ["state", "closed_at"], batch_size=500)
    changed = [
        "round",
        "returned_count",
        "submitted_at",
        "submitted_by",
        "closed_by",
        "is_on_time",
        "waits_for",
        "waits_since",
    ]
    Rectification.objects.bulk_update(rows, changed, batch_size=500)
    _photos(after, dice)


def _awake(moment: datetime) -> datetime:
    """Return a moment in the hours of the day: what falls into the night waits for the morning."""
    at = moment.astimezone(clock.SHANGHAI)
    if 9 <= at.hour < 21:
        return moment
    day = clock.local_day(moment) + timedelta(days=at.hour >= 21)
    return clock.local_moment(day, time(9, at.minute))


def _step(finding: Finding, kind: str, at: datetime, by_id: int | None, note: str) -> FindingStep:
    return FindingStep(finding=finding, kind=kind, at=at, by_id=by_id, note=note)


def _photos(steps: Sequence[FindingStep], dice: random.Random) -> None:
    """Hang a picture on each step of somebody who mended: one of those the visits have."""
    shown = PatrolPhoto.objects.values_list("client_id", flat=True)[:8]
    like = list(StoredFile.objects.filter(name__in=list(shown)))
    if like:
        StoredFile.objects.bulk_create(
            [
                StoredFile(
                    name=UUID(int=dice.getrandbits(128), version=4), room=PHOTOS, owner_id=step.pk, by_id=step.by_id, at=step.at,
                    path=one.path, content_type=one.content_type, size=one.size, width=one.width, height=one.height, sha256=one.sha256,
                )
                for step in steps for one in [dice.choice(like)]
            ],
            batch_size=1000,
        )  # fmt: skip


def _read(dice: random.Random, now: datetime) -> None:
    """Most people have read what is older than a day."""
    rows = list(
        ReportReader.objects.filter(read_at=None, report__made_at__lt=now - timedelta(days=1)).select_related("report")
    )
    read = [row for row in rows if dice.random() < 0.8]
    for row in read:
        row.read_at = _awake(row.report.made_at + timedelta(hours=dice.triangular(0.2, 20, 3)))
    ReportReader.objects.bulk_update(read, ["read_at"], batch_size=1000)


def _duties(now: datetime) -> None:
    """What is still to be mended is somebody's duty."""
    rows = Rectification.objects.with_finding().filter(
        finding__state__in=(Finding.State.PENDING, Finding.State.REJECTED)
    )
    rectifying.follow(
        [
            PatrolFinding(
                finding_id=row.pk, round=row.round, what="opened", owner_id=row.finding.owner_id, title=row.finding.item.name,
                why=row.finding.problem[:160], due_at=row.finding.deadline_at.isoformat(), store_id=row.finding.store_id,
            )
            for row in rows.order_by("pk")
        ],
        now=now,
    )  # fmt: skip
