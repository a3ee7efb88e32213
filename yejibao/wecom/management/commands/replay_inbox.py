"""`replay_inbox --first 1 --last 200 [--dry-run] [--json]`: work callbacks off again, by numbers, time, kind and app.

Goes through the same service as /hq/inbox/. Whatever in the range is not replayed is counted, with the reason.
"""

from datetime import datetime
from typing import Any

from django.core.management.base import CommandError, CommandParser

from yejibao.core import clock
from yejibao.core.errors import DomainError
from yejibao.core.management.scratch import PrintingCommand
from yejibao.core.scope import Actor
from yejibao.wecom.inbox import queries, services
from yejibao.wecom.inbox.models import InboxEntry
from yejibao.wecom.inbox.registry import known_kinds

State = InboxEntry.State


class Command(PrintingCommand):
    help = "重放回调收件箱：按编号、时间、类型、应用挑，走和「回调收件箱」页面同一个服务。没有重放的，逐类说明原因。"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--first", type=int, help="起始编号")
        parser.add_argument("--last", type=int, help="结束编号（含）")
        parser.add_argument("--since", type=_moment, help="从什么时候收到的起，例如 2026-11-21T09:00（上海时间）")
        parser.add_argument("--until", type=_moment, help="到什么时候收到的为止（不含）")
        parser.add_argument(
            "--kind",
            action="append",
            default=[],
            help="只要这一类，可以重复，例如 change_external_contact/add_external_contact",
        )
        parser.add_argument("--app", default="", help="只要这个应用的")
        parser.add_argument(
            "--state", action="append", default=[], choices=[State.DONE, State.UNHANDLED, State.PARKED],
            help="只要这些状态，可以重复；不写是搁置的和没有部门认领的",
        )  # fmt: skip
        parser.add_argument("--dry-run", action="store_true", help="只数，不动")
        parser.add_argument("--json", action="store_true", help="只输出一行 JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        if all(options[name] is None for name in ("first", "last", "since", "until")):
            raise CommandError("说清要重放哪一段：--first/--last 或 --since/--until")
        states = options["state"] or [State.PARKED, State.UNHANDLED]
        wanted = queries.Wanted(
            first=options["first"] or 1, last=options["last"] or queries.EVERY_ID, since=options["since"], until=options["until"],
            kinds=tuple(options["kind"]), states=tuple(states), source=options["app"],
        )  # fmt: skip
        counts = queries.would_replay(wanted)
        facts: dict[str, Any] = {
            "found": sum(counts.values()), "would_replay": counts.pop("replay", 0), "replayed": 0, "left_out": counts,
            "unknown_kinds": sorted(set(wanted.kinds) - set(known_kinds()) - queries.stored_kinds(wanted.kinds)),
        }  # fmt: skip
        if not options["dry_run"]:
            try:
                facts["replayed"] = services.replay(
                    first=wanted.first, last=wanted.last, actor=Actor.system("manage replay_inbox"), now=clock.now(),
                    kinds=wanted.kinds, states=wanted.states, since=wanted.since, until=wanted.until, source=wanted.source,
                )  # fmt: skip
            except DomainError as error:
                raise CommandError("；".join(row["message"] for row in error.errors) or str(error.title)) from None
        if options["json"]:
            self.print_json(facts | {"dry_run": options["dry_run"]})
            return
        rows: list[tuple[str, Any]] = [("这一段里有", facts["found"])]
        rows.append(
            ("会重放" if options["dry_run"] else "重放", facts["would_replay" if options["dry_run"] else "replayed"])
        )
        rows += [(f"没动 · {queries.LEFT_OUT[key]}", number) for key, number in facts["left_out"].items()]
        rows += [("不认识的类型", kind) for kind in facts["unknown_kinds"]]
        self.print_table(rows)


def _moment(text: str) -> datetime:
    try:
        return clock.parse_iso(text)
    except ValueError:
        raise CommandError(f"看不懂的时间：{text}") from None
