"""The processes, and the jobs of the night."""

from collections.abc import Callable

from yejibao.core import signs as vitals
from yejibao.schedule import ENTRIES

from .fault import HQ, OPS, SAFE, Facts, Fault, Step, long, restart


def process(name: str) -> Callable[[Facts], Facts]:
    def facts_of(facts: Facts) -> Facts:
        found: Facts = facts["processes"].get(name, {"ok": False, "age_seconds": None})
        return found

    return facts_of


def _silence(one: Facts) -> str:
    return "没有动静" if one["age_seconds"] is None else f"{long(one['age_seconds'])}没有动静"


def heartbeat(one: Facts) -> str:
    age = one["age_seconds"]
    return "" if age is None else "刚有动静" if age < 2 else f"{long(age)}前有动静"


def beat(facts: Facts, signs: Facts) -> Fault | None:
    one = process("beat")(facts)
    if one["ok"]:
        return None
    if signs["redis"].get("error"):
        return Fault(
            "出错",
            "在等 Redis",
            "Redis 断了，定时器叫不醒后台任务，到点的回访改由发送器叫醒。Redis 恢复后自己接着走，不用单独处理。",
        )
    return Fault(
        "出错", _silence(one),
        "到点的回访改由发送器叫醒，最多晚一分钟；看板不更新，夜里的统计不跑。" + SAFE,
        (*restart("yejibao-beat"), Step(OPS, "只能开一个。开了两个不会重复建任务，只是白跑。")),
    )  # fmt: skip


def worker(facts: Facts, signs: Facts) -> Fault | None:
    one = process("worker")(facts)
    if one["ok"]:
        return None
    if signs["redis"].get("error"):
        return Fault(
            "出错",
            "在等 Redis",
            "Redis 断了，后台任务接不到活，新任务改由发送器叫醒来建。Redis 恢复后自己接着做，不用单独处理。",
        )
    beat = process("beat")(facts)
    if not beat["ok"]:
        return Fault("出错", "在等定时器", "定时器停了，没人给后台任务派活。定时器恢复后自己接着做，不用单独处理。")
    return Fault(
        "出错", _silence(one), "不再有新任务，看板数字不更新；已经有的任务、排队的提醒照常。" + SAFE,
        (*restart("yejibao-worker"), Step(HQ, "不用补。恢复后两分钟内，到点的回访会一次建好。")),
    )  # fmt: skip


def sender(facts: Facts, signs: Facts) -> Fault | None:
    one = process("sender")(facts)
    if not one["ok"]:
        return Fault(
            "出错", _silence(one), "导购暂时收不到提醒，任务不会丢：今日列表照常看得到。",
            (*restart("yejibao-sender"), Step(HQ, "停得久，请店长在群里说一声：先看「今日」。恢复后排队的自己发出去。")),
        )  # fmt: skip
    if one.get("clock_off_seconds", 0) > vitals.CLOCK_OFF_SECONDS:
        return Fault(
            "出错", f"它那台机器的时钟差 {long(one['clock_off_seconds'])}，自己停发了",
            "导购暂时收不到提醒，任务不会丢；时钟对准后自己补发。",
            (Step(OPS, "在跑发送器的机器上打开时间同步，不用重启。", "timedatectl set-ntp true"),),
        )  # fmt: skip
    return None


def inbox_process(facts: Facts, signs: Facts) -> Fault | None:
    one = process("inbox")(facts)
    if one["ok"]:
        return None
    return Fault(
        "变慢",
        _silence(one),
        "新加好友的欢迎语会赶不上 20 秒；别的消息改由后台任务每半分钟处理一次。" + SAFE,
        restart("yejibao-inbox"),
    )


# What runs every night: by job, its name in the schedule. Its absence counts after a day and two hours.
NIGHTLY = {one.job: one.name for one in ENTRIES if one.queue == "nightly" and "day_of_month" not in one.cron}
NIGHTLY_SECONDS = 26 * 3600


def _missed(facts: Facts) -> list[str]:
    """Return the jobs that did not go well lately."""
    jobs = facts["jobs"]
    return [
        job
        for job in NIGHTLY
        if job in jobs and (jobs[job]["age_seconds"] > NIGHTLY_SECONDS or jobs[job].get("failures", 0))
    ]


def nightly(facts: Facts, signs: Facts) -> Fault | None:
    missed = _missed(facts)
    if not missed:
        return None
    return Fault(
        "变慢", f"{'、'.join(NIGHTLY[job] for job in missed)}没跑成", "白天的工作照常；相关的数字是前一天的。",
        (
            Step(OPS, "看夜间任务为什么没跑成。", "journalctl -u yejibao-nightly --since '02:00' | grep '\"level\": \"ERROR\"'"),
            Step(OPS, "修好后不用补跑，今晚会接着做；等不及就叫它现在跑一次。",
                 f"celery -A yejibao call {missed[0]} --queue nightly"),
        ),
    )  # fmt: skip
