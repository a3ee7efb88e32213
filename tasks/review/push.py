"""The words of the lists. Imported when the department starts, so that the sender finds the renderers."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import date, datetime

from tasks.followups.models import Task
from tasks.followups.push import card
from tasks.followups.wording import node_name
from yejibao.core import outbox
from yejibao.core.models import OutboxMessage

from .models import StoreWeek
from .services.lists import notices_of

LISTED = 6


class DailyList:
    """What escalated in the store since yesterday: by guide and step, not by member. Done meanwhile: not named."""

    def render(self, messages: Sequence[OutboxMessage], *, now: datetime) -> dict[int, bytes | None]:
        named = notices_of([message.pk for message in messages])
        return {
            message.pk: self._card(message, [link.task for link in named.get(message.pk, [])]) for message in messages
        }

    def still_wanted(self, messages: Sequence[OutboxMessage], *, now: datetime) -> set[int]:
        return set(notices_of([message.pk for message in messages]))

    def _card(self, message: OutboxMessage, tasks: Sequence[Task]) -> bytes | None:
        if not tasks:
            return None
        lost = Counter(
            (task.assignee.display_name, node_name(task)) for task in tasks if task.state == Task.State.EXPIRED
        )
        late = Counter((task.assignee.display_name, node_name(task)) for task in tasks if task.state == Task.State.OPEN)
        lines = [f"{who} · {node} 超时 {n} 件" for (who, node), n in late.most_common()]
        lines += [f"{who} · {node} 过期没做 {n} 件" for (who, node), n in lost.most_common()]
        more = [f"等 {len(tasks)} 件"] if len(lines) > LISTED else []
        return card(
            message,
            title=f"昨天到现在有 {len(tasks)} 件没跟上",
            lines=lines[:LISTED] + more,
            path="/m/review/",
            button="去看看",
        )


class WeeklyList:
    """Which stores did less than 80 % last week; to the branch: which did less than 60 % twice."""

    def render(self, messages: Sequence[OutboxMessage], *, now: datetime) -> dict[int, bytes | None]:
        weeks = self._weeks(messages)
        return {message.pk: self._card(message, weeks.get(message.pk, [])) for message in messages}

    def still_wanted(self, messages: Sequence[OutboxMessage], *, now: datetime) -> set[int]:
        return {pk for pk, weeks in self._weeks(messages).items() if weeks}

    def _weeks(self, messages: Sequence[OutboxMessage]) -> dict[int, list[tuple[StoreWeek, bool]]]:
        by_week: dict[date, dict[int, int]] = defaultdict(dict)
        for message in messages:
            _, staff, monday = message.dedupe_key.partition("#")[0].split(":")  # "#r7" stands on a resent one
            by_week[date.fromisoformat(monday)][int(staff)] = message.pk
        found: dict[int, list[tuple[StoreWeek, bool]]] = defaultdict(list)
        for week, told in by_week.items():
            for row in StoreWeek.objects.filter(week=week).select_related("store").order_by("store_id"):
                if row.supervisor_id in told:
                    found[told[row.supervisor_id]].append((row, False))
                if row.branch_manager_id in told and row.branch_manager_id != row.supervisor_id:
                    found[told[row.branch_manager_id]].append((row, True))
        return found

    def _card(self, message: OutboxMessage, weeks: list[tuple[StoreWeek, bool]]) -> bytes | None:
        if not weeks:
            return None
        weeks.sort(key=lambda pair: pair[0].done_count / pair[0].due_count)
        repeated = all(is_repeated for _, is_repeated in weeks)
        title = f"{len(weeks)} 家店连续两周低于 60%" if repeated else f"上周 {len(weeks)} 家店跟进低于 80%"
        lines = [
            f"{row.store.short_name} {row.done_count / row.due_count:.0%}（{row.done_count}/{row.due_count}）"
            + ("，连续两周低于 60%" if row.is_repeated and not repeated else "")
            for row, _ in weeks[:LISTED]
        ]
        more = [f"等 {len(weeks)} 家"] if len(weeks) > LISTED else []
        tail = ["请和店长谈一次，记在复盘里"] if repeated else []
        return card(
            message, title=title, lines=lines + more + tail, path="/m/review/?period=last_week", button="去看看"
        )


outbox.register_renderer("daily_list", DailyList())
outbox.register_renderer("weekly_list", WeeklyList())
