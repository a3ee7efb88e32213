"""What each part of the chain is, when it is not well, what that means for guides, and who does what about it.

Read by 系统健康 alone. The words follow the degradation table of reliability-security §12; deploy/runbook.md says the same
to those who are called by an alarm.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.urls import NoReverseMatch, reverse

from yejibao.core import signs as vitals
from yejibao.core import words
from yejibao.core.health import LATE_SECONDS

from .causes import WAITS_FOR_SOMEBODY, cause_of

Facts = dict[str, Any]
HQ, OPS = "总部", "运维"
SAFE = "任务和消息都在数据库里，一条不会丢。"


@dataclass(frozen=True)
class Step:
    """One thing to do: by whom, what, the command where there is one, and the screen where it can be done."""

    who: str
    what: str
    command: str = ""
    link: str = ""
    to: str = ""  # a URL name, with an anchor behind # where it needs one

    @property
    def url(self) -> str:
        name, mark, anchor = self.to.partition("#")
        try:
            return reverse(name) + mark + anchor if name else ""
        except NoReverseMatch:
            return ""


@dataclass(frozen=True)
class Fault:
    """`said`: 出错, 变慢 or 待处理 (a person has to decide about single rows)."""

    said: str
    what: str
    means: str
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True)
class Part:
    """One line of the page. `judge` returns what is wrong, or None; `note` a few figures."""

    key: str
    name: str
    does: str
    sign: str
    judge: Callable[[Facts, Facts], Fault | None]
    note: Callable[[Facts], str] = lambda facts: ""
    since: Callable[[Facts], datetime | None] | None = None
    shows: Callable[[Facts], bool] | None = None


def _said(facts: Facts) -> str:
    return "出错" if facts["state"] == "down" else "变慢"


def _share(value: float) -> str:
    return words.pct(value)


def _long(seconds: float) -> str:
    """Return 50 秒, 12 分 or 1 时 20 分."""
    return f"{round(seconds)} 秒" if seconds < 120 else words.minutes_words(int(seconds) // 60)


def _answers(facts: Facts) -> str:
    milliseconds = facts["milliseconds"]
    return "答一句不到 1 毫秒" if milliseconds < 1 else f"答一句 {milliseconds:.0f} 毫秒"


def _restart(unit: str) -> tuple[Step, Step]:
    return (
        Step(OPS, "重启它，十几秒后这里应变回正常。", f"systemctl restart {unit}"),
        Step(OPS, "又停了，就看日志最后 50 行，把「error」那几行发给开发。", f"journalctl -u {unit} -n 50"),
    )


def unread(part: Part, facts: Facts, signs: Facts) -> Fault:
    """Return what to say of a part whose check failed: mostly the database is what is ill."""
    if part.sign == "redis":
        return REDIS_GONE
    if facts["state"] == "slow":
        return Fault(
            "变慢", "一秒内没读到", "这一项现在看不到，多半是数据库忙。" + SAFE,
            (Step(OPS, "先处理上面的数据库；只有这一项读不到时，看有没有锁住的表。", "select * from pg_locks where not granted"),),
        )  # fmt: skip
    return Fault(
        "出错", f"读不到（{facts['error']}）", "这一项现在看不到，不等于它坏了。" + SAFE,
        (Step(OPS, "按这个错误名查网页日志，发给开发。", f"journalctl -u yejibao-web | grep {facts['error']}"),),
    )  # fmt: skip


# ---------------------------------------------------------------- what everything stands on


def _database(facts: Facts, signs: Facts) -> Fault | None:
    off = facts["clock_off_seconds"]
    if off > vitals.CLOCK_OFF_SECONDS:
        return Fault(
            "出错", f"这台机器的时钟和数据库差 {_long(off)}",
            "时钟不准时发送器会自己停下，导购暂时收不到提醒；任务不会丢，对准后自己补发。",
            (
                Step(OPS, "在应用服务器上打开时间同步。", "timedatectl set-ntp true"),
                Step(OPS, "看差多少；对准后 5 秒内自己恢复，不用重启。", "timedatectl timesync-status"),
            ),
        )  # fmt: skip
    if facts["longest_transaction_seconds"] >= vitals.LONG_TRANSACTION_SECONDS:
        return Fault(
            "变慢", f"有一个事务开了 {_long(facts['longest_transaction_seconds'])}",
            "现在还感觉不到；开得越久，旧数据清理不掉，页面会越来越慢。",
            (
                Step(OPS, "找到它是谁。备份在跑就等它结束。", "select pid, state, xact_start, application_name "
                     "from pg_stat_activity order by xact_start limit 5"),
                Step(OPS, "不是备份，就结束它；业绩宝自己的事务被结束不会丢数据。", "select pg_terminate_backend(PID)"),
            ),
        )  # fmt: skip
    if facts["connection_share"] >= vitals.CONNECTION_SHARE:
        return Fault(
            "变慢", f"连接用了 {_share(facts['connection_share'])}", "再高就会有人打不开页面，看到「系统忙，请稍后再试」。",
            (
                Step(OPS, "看连接都是谁的。", "select application_name, state, count(*) from pg_stat_activity group by 1, 2"),
                Step(OPS, "业绩宝自己的太多，就把 DB_POOL_SIZE 调小后重启网页；别的程序的，请它断开。"),
            ),
        )  # fmt: skip
    if facts["state"] != "ok":
        return Fault(
            "变慢", f"答一句要 {facts['milliseconds']:.0f} 毫秒", "页面变慢，个别导购会看到「系统忙」；填好的内容留在手机上，不会丢。",
            (
                Step(OPS, "看数据库服务器的 CPU 和磁盘是不是满了，有没有备份、报表在跑。"),
                Step(HQ, "先不要发布规则、不要导入大文件，等变回正常。"),
            ),
        )  # fmt: skip
    return None


def _tables(facts: Facts, signs: Facts) -> Fault | None:
    if facts["ok"]:
        return None
    return Fault(
        "出错", f"程序是新的，数据库还差 {len(facts['unapplied'])} 步升级", "新版本在等数据库，一部分页面会打不开。",
        (Step(OPS, "执行升级，跑完自己恢复。", "python manage.py migrate"),),
    )  # fmt: skip


REDIS_GONE = Fault(
    "出错", "连不上", "提醒慢几秒到半分钟，看板数字停在断开的时候，登录次数限制减半；今日、会员、收银照常。" + SAFE,
    (
        Step(OPS, "看它还在不在，内存是不是满了。", "systemctl status redis && redis-cli info memory"),
        Step(OPS, "重启它。里面没有要保的数据，清空也没关系。", "systemctl restart redis"),
        Step(HQ, "不用做什么。恢复后两分钟内，积压的会自己补上。"),
    ),
)  # fmt: skip


def _redis(facts: Facts, signs: Facts) -> Fault | None:
    if facts["state"] == "ok":
        return None
    waiting = max(facts["jobs_waiting"].values())
    if waiting >= vitals.LONG_CELERY_QUEUE:
        return Fault(
            "变慢", f"{words.count(waiting)} 件后台工作在排队", "后台工作没人接，或者接得太慢；今日、会员照常。" + SAFE,
            (Step(OPS, "看后台任务是不是还活着；活着就多开几个。", "systemctl status 'yejibao-worker*'"),),
        )  # fmt: skip
    if facts["memory_share"] >= 0.8:
        return Fault(
            "变慢", f"内存用了 {_share(facts['memory_share'])}", "满了以后提醒会慢几秒。" + SAFE,
            (Step(OPS, "调大 maxmemory（不要改淘汰策略，要保持 noeviction）。", "redis-cli info memory"),),
        )  # fmt: skip
    return Fault(
        "变慢", f"答一句要 {facts['milliseconds']:.0f} 毫秒", "提醒会慢一点。" + SAFE,
        (Step(OPS, "看这台 Redis 的 CPU，和有没有别的程序在用它。", "redis-cli --latency"),),
    )  # fmt: skip


def _disk(facts: Facts, signs: Facts) -> Fault | None:
    if facts["state"] == "ok":
        return None
    return Fault(
        _said(facts), f"用了 {_share(facts['used_share'])}，还剩 {facts['free_gigabytes']:.0f} GB",
        "满了以后先是传不了图片，再是什么都存不了。",
        (
            Step(OPS, "看谁占的。", "du -xh --max-depth=2 /var | sort -h | tail"),
            Step(OPS, "清掉旧日志；图片多就把 MEDIA_ROOT 搬到大盘。", "journalctl --vacuum-time=200d"),
        ),
    )  # fmt: skip


# ---------------------------------------------------------------- the processes


def _process(name: str) -> Callable[[Facts], Facts]:
    def facts_of(facts: Facts) -> Facts:
        found: Facts = facts["processes"].get(name, {"ok": False, "age_seconds": None})
        return found

    return facts_of


def _silence(one: Facts) -> str:
    return "没有动静" if one["age_seconds"] is None else f"{_long(one['age_seconds'])}没有动静"


def _heartbeat(one: Facts) -> str:
    age = one["age_seconds"]
    return "" if age is None else "刚有动静" if age < 2 else f"{_long(age)}前有动静"


def _beat(facts: Facts, signs: Facts) -> Fault | None:
    one = _process("beat")(facts)
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
        (*_restart("yejibao-beat"), Step(OPS, "只能开一个。开了两个不会重复建任务，只是白跑。")),
    )  # fmt: skip


def _worker(facts: Facts, signs: Facts) -> Fault | None:
    one = _process("worker")(facts)
    if one["ok"]:
        return None
    if signs["redis"].get("error"):
        return Fault(
            "出错",
            "在等 Redis",
            "Redis 断了，后台任务接不到活，新任务改由发送器叫醒来建。Redis 恢复后自己接着做，不用单独处理。",
        )
    beat = _process("beat")(facts)
    if not beat["ok"]:
        return Fault("出错", "在等定时器", "定时器停了，没人给后台任务派活。定时器恢复后自己接着做，不用单独处理。")
    return Fault(
        "出错", _silence(one), "不再有新任务，看板数字不更新；已经有的任务、排队的提醒照常。" + SAFE,
        (*_restart("yejibao-worker"), Step(HQ, "不用补。恢复后两分钟内，到点的回访会一次建好。")),
    )  # fmt: skip


def _sender(facts: Facts, signs: Facts) -> Fault | None:
    one = _process("sender")(facts)
    if not one["ok"]:
        return Fault(
            "出错", _silence(one), "导购暂时收不到提醒，任务不会丢：今日列表照常看得到。",
            (*_restart("yejibao-sender"), Step(HQ, "停得久，请店长在群里说一声：先看「今日」。恢复后排队的自己发出去。")),
        )  # fmt: skip
    if one.get("clock_off_seconds", 0) > vitals.CLOCK_OFF_SECONDS:
        return Fault(
            "出错", f"它那台机器的时钟差 {_long(one['clock_off_seconds'])}，自己停发了",
            "导购暂时收不到提醒，任务不会丢；时钟对准后自己补发。",
            (Step(OPS, "在跑发送器的机器上打开时间同步，不用重启。", "timedatectl set-ntp true"),),
        )  # fmt: skip
    return None


def _inbox_process(facts: Facts, signs: Facts) -> Fault | None:
    one = _process("inbox")(facts)
    if one["ok"]:
        return None
    return Fault(
        "变慢",
        _silence(one),
        "新加好友的欢迎语会赶不上 20 秒；别的消息改由后台任务每半分钟处理一次。" + SAFE,
        _restart("yejibao-inbox"),
    )


# What beats at night: by job, its name and after how many hours its absence counts.
NIGHTLY = {
    "crm.scoring.jobs.recount_members_nightly": ("会员消费统计", 26),
    "crm.scoring.jobs.settle_levels_nightly": ("会员等级到期", 26),
    "tasks.review.jobs.rebuild_days": ("复盘数字重建", 26),
    "tasks.scripts.jobs.count_script_uses": ("话术使用统计", 26),
    "tasks.cadences.jobs.prove_conservation": ("守恒核对", 26),
    "guides.org.jobs.purge_sessions": ("清理会话", 26),
}


def _missed(facts: Facts) -> list[str]:
    """Return the jobs that did not go well lately."""
    jobs = facts["jobs"]
    return [
        job
        for job, (_, hours) in NIGHTLY.items()
        if job in jobs and (jobs[job]["age_seconds"] > hours * 3600 or jobs[job].get("failures", 0))
    ]


def _nightly(facts: Facts, signs: Facts) -> Fault | None:
    missed = _missed(facts)
    if not missed:
        return None
    return Fault(
        "变慢", f"{'、'.join(NIGHTLY[job][0] for job in missed)}没跑成", "白天的工作照常；相关的数字是前一天的。",
        (
            Step(OPS, "看夜间任务为什么没跑成。", "journalctl -u yejibao-nightly --since '02:00' | grep '\"level\": \"ERROR\"'"),
            Step(OPS, "修好后不用补跑，今晚会接着做；等不及就叫它现在跑一次。",
                 f"celery -A yejibao call {missed[0]} --queue nightly"),
        ),
    )  # fmt: skip


# ---------------------------------------------------------------- from the till to the task


def _orders(facts: Facts, signs: Facts) -> Fault | None:
    if facts["state"] == "ok":
        return None
    return Fault(
        "变慢", f"最近一单是{words.ago(facts['last_at'], signs['now'])}进来的",
        "收银的单子没有进来，新的回访任务就不会有；单子补进来后，任务自己补上，30 分钟回访会晚。",
        (
            Step(HQ, "问收银系统那边：今天的销售还在往业绩宝传吗？"),
            Step(OPS, "看接口有没有在拒收；令牌停用、字段改了都会这样。", "journalctl -u yejibao-web --since -3h | grep feed"),
        ),
    )  # fmt: skip


def _events(facts: Facts, signs: Facts) -> Fault | None:
    if facts["oldest_due_seconds"] > LATE_SECONDS:
        return Fault(
            _said(facts), f"{words.count(facts['due'])} 条在等，最久 {_long(facts['oldest_due_seconds'])}",
            "付款、退货、离职这些消息还没转到任务那边：新任务会晚，退了货的还会提醒。" + SAFE,
            (Step(OPS, "它由后台任务每半分钟转一次：先看后台任务和定时器。后台任务正常就看它的日志。",
                  "journalctl -u yejibao-worker -n 100 | grep event"),),
        )  # fmt: skip
    if facts["parked"]:
        return Fault(
            "待处理", f"{words.count(facts['parked'])} 条没人接得住，放在一边了", "只有这几条受影响，别的照常。",
            (Step(HQ, "点进去「都再试一次」；还不行，把编号给开发，处理完再关闭。", link="去处理", to="cockpit:push#aside-events"),),
        )  # fmt: skip
    return None


def _enrollments(facts: Facts, signs: Facts) -> Fault | None:
    if facts["oldest_due_seconds"] > LATE_SECONDS:
        return Fault(
            _said(facts), f"{words.count(facts['due'])} 步到点没打开，最久 {_long(facts['oldest_due_seconds'])}",
            "该给导购的新任务还没有到今日列表，恢复后一次补上。" + SAFE,
            (
                Step(OPS, "先看上面的定时器和后台任务；都正常，就看引擎的日志。", "journalctl -u yejibao-worker -n 200 | grep engine"),
                Step(HQ, "刚发布过规则，或者大促后 30 天，积压几分钟是正常的，会自己追上。"),
            ),
        )  # fmt: skip
    if facts["parked"]:
        return Fault(
            "待处理", f"{words.count(facts['parked'])} 位会员的下一步打不开，放在一边了", "只有这几位受影响，每小时自己再试一次。",
            (Step(HQ, "点进去「现在都再试一次」；还不行，把编号给开发。", link="去处理", to="cockpit:push#aside-cycles"),),
        )  # fmt: skip
    return None


def _recompute(facts: Facts, signs: Facts) -> Fault | None:
    if facts["state"] == "ok":
        return None
    return Fault(
        "变慢", "新规则还没有算完", "到点的任务已经按新规则开，只是个别会员的时间晚些才换过来。",
        (Step(HQ, "看进度；一小时后还没走，找运维。", link="看进度", to="tasks:rules"), Step(OPS, "看后台任务是不是正常。")),
    )  # fmt: skip


def _notices(facts: Facts, signs: Facts) -> Fault | None:
    if facts["state"] == "ok":
        return None
    return Fault(
        _said(facts), f"有加急任务 {_long(facts['oldest_due_seconds'])}没通知到导购", "30 分钟回访这类加急的会晚；今日列表照常看得到。",
        (Step(OPS, "它由后台任务每半分钟做一次：先看后台任务和定时器。", "journalctl -u yejibao-worker -n 200 | grep told"),),
    )  # fmt: skip


# ---------------------------------------------------------------- from the task to the phone


def _outbox(facts: Facts, signs: Facts) -> Fault | None:
    if facts["oldest_due_seconds"] > LATE_SECONDS:
        return Fault(
            _said(facts), f"{words.count(facts['due'])} 条到点没发出去，最久 {_long(facts['oldest_due_seconds'])}",
            "导购的提醒会晚，任务不会丢：今日列表照常。恢复后加急的先发。",
            (
                Step(OPS, "先看发送器和企业微信接口；那两项正常，这里几分钟内自己追上。"),
                Step(HQ, "看是哪一类在等、上次企业微信怎么回的。", link="去推送健康", to="cockpit:push"),
            ),
        )  # fmt: skip
    if facts["failed"] or facts["parked"]:
        number = facts["failed"] + facts["parked"]
        return Fault(
            "待处理", f"{words.count(number)} 条没送到，要人看一下", "只有这些人没收到这几条；别的照常。",
            (Step(HQ, "按原因一类一类处理：能重发的重发，过时的关闭。", link="去推送健康", to="cockpit:push"),),
        )  # fmt: skip
    return None


def _wecom(facts: Facts, signs: Facts) -> Fault | None:
    refused = facts["refused"]
    for code in WAITS_FOR_SOMEBODY:
        if code in refused:
            cause = cause_of(code)
            return Fault(
                "出错", cause.what, "提醒全都发不出去，新的登录也进不来；任务不会丢，改好后自己发出去。",
                (
                    Step(OPS, cause.todo + "。", link="上线体检", to="cockpit:doctor"),
                    Step(HQ, "请店长在群里说一声：先看「今日」。改好前不用重发。"),
                ),
            )  # fmt: skip
    if facts["held_off_seconds"]:
        seconds = max(facts["held_off_seconds"].values())
        return Fault(
            "变慢", f"被企业微信限流，{_long(seconds)}后再试", "提醒会晚几分钟，不会丢也不会重复；登录可能要等一下。",
            (
                Step(HQ, "不用做什么，会自己放慢再发。"),
                Step(OPS, "一小时内反复限流，查有没有别的程序在用同一个应用的密钥。"),
            ),
        )  # fmt: skip
    if facts["state"] == "ok":
        return None
    if refused:
        number = sum(refused.values())
        return Fault(
            "变慢", f"{words.count(number)} 条没等到企业微信的准信，在自己重试", "提醒会晚；同一条内容再试，三小时内不会发两遍。",
            (
                Step(OPS, "看这台机器能不能连上企业微信；企业微信自己的故障，等它恢复。", "curl -sS -m 5 -o /dev/null -w '%{http_code}\\n' "
                     "https://qyapi.weixin.qq.com/cgi-bin/gettoken"),
                Step(HQ, "超过两小时，请店长在群里说一声：先看「今日」。", link="看在重试的", to="cockpit:push"),
            ),
        )  # fmt: skip
    api, share = max(facts["used_share"].items(), key=lambda one: one[1])
    return Fault(
        "变慢", f"调用额度用了 {_share(share)}（{api}）", "用完以后提醒要等额度恢复。",
        (Step(OPS, "看是不是有人在全量同步，或别的程序在用同一个应用。"), Step(HQ, "今天先不要群发。")),
    )  # fmt: skip


def _wecom_note(facts: Facts) -> str:
    age = facts["token_age_seconds"]
    token = "令牌还没取过" if age is None else f"令牌 {_long(age)}前换的"
    return f"没有被限流，{token}"


def _inbox(facts: Facts, signs: Facts) -> Fault | None:
    late = facts.get("oldest_due_seconds", 0)
    if late > LATE_SECONDS:
        return Fault(
            _said(facts), f"{words.count(facts['due'])} 条企业微信的通知没处理，最久 {_long(late)}",
            "刚加的好友、删除的好友晚一点才看到；每小时还会和企业微信核对一次，不会漏。",
            (Step(OPS, "它由收件进程处理，后台任务兜底：先看这两个。", "systemctl status yejibao-inbox yejibao-worker"),),
        )  # fmt: skip
    if facts.get("parked"):
        return Fault(
            "待处理", f"{words.count(facts['parked'])} 条通知处理不了，放在一边了", "只有这几条受影响，夜里核对时会补上。",
            (Step(HQ, "点进去看是哪一类，按编号重放；还不行，把编号给开发。", link="去处理", to="cockpit:inbox"),),
        )  # fmt: skip
    return None


# ---------------------------------------------------------------- figures


def _boards(facts: Facts, signs: Facts) -> Fault | None:
    if facts["state"] == "ok":
        return None
    return Fault(
        _said(facts), f"数字停在 {words.clock_time(facts['counted_at'])}", "店长、区长看到的复盘数字是旧的，门店自己的今天照常是新的；导购不受影响。",
        (Step(OPS, "它由后台任务每分钟算一次：先看后台任务。", "journalctl -u yejibao-worker | grep refresh_days | tail -5"),),
    )  # fmt: skip


def _scoring(facts: Facts, signs: Facts) -> Fault | None:
    if facts["state"] == "ok":
        return None
    return Fault(
        "变慢", "会员统计算了 4 个多小时还没完", "会员的消费、等级是前一天的，不影响回访。",
        (Step(OPS, "看夜间任务；它会接着上次的地方算，重启也不会重头来。", "systemctl restart yejibao-nightly"),),
    )  # fmt: skip


def _conservation(facts: Facts, signs: Facts) -> Fault | None:
    if facts["missing"]:
        return Fault(
            "出错", f"少了 {words.count(facts['missing'])} 件", "有订单或跟进步骤没有下落，可能有会员漏了回访。",
            (
                Step(OPS, "马上跑一遍，把输出发给开发；先不要升级、不要清数据。", "python manage.py prove_conservation --json"),
                Step(HQ, "记下时间，等开发答复；不用停用。", link="看上次的数", to="cockpit:push"),
            ),
        )  # fmt: skip
    if facts["state"] == "ok":
        return None
    return Fault(
        "变慢", "昨晚没有核对", "不等于少了，只是没人数过。",
        (Step(OPS, "看夜间任务；等不及就手工跑一遍。", "python manage.py prove_conservation"),),
    )  # fmt: skip


def _queue_note(facts: Facts) -> str:
    return f"{words.count(facts['due'])} 条在等" if facts.get("due") else "没有积压"


def _of(name: str) -> dict[str, Any]:
    facts_of = _process(name)
    return {"note": lambda facts: _heartbeat(facts_of(facts)), "since": lambda facts: facts_of(facts).get("since")}


PARTS = (
    Part("database", "数据库", "所有数据都在这里", "database", _database,
         lambda facts: f"{_answers(facts)}，连接用了 {_share(facts['connection_share'])}"),
    Part("tables", "数据库结构", "和程序同一个版本", "tables", _tables, lambda facts: "已是最新"),
    Part("redis", "Redis", "传话和计数，丢了不要紧", "redis", _redis, _answers),
    Part("disk", "磁盘", "放图片和日志", "disk", _disk,
         lambda facts: f"用了 {_share(facts['used_share'])}，还剩 {words.count(round(facts['free_gigabytes']))} GB"),
    Part("beat", "定时器", "到点叫醒后台任务", "heartbeats", _beat, **_of("beat")),
    Part("worker", "后台任务", "建任务、算看板", "heartbeats", _worker, **_of("worker")),
    Part("sender", "发送器", "把提醒发到企业微信", "heartbeats", _sender, **_of("sender")),
    Part("inbox-process", "收件进程", "处理企业微信的通知，发欢迎语", "heartbeats", _inbox_process, **_of("inbox"),
         shows=lambda facts: "inbox" in facts["processes"]),
    Part("nightly", "夜间任务", "夜里的统计和核对", "heartbeats", _nightly,
         lambda facts: "都跑过了" if facts["jobs"].keys() & NIGHTLY.keys() else "还没到时间", lambda facts: None),
    Part("orders", "销售进单", "收银和商城传来的单子", "orders", _orders,
         lambda facts: f"最近一单 {words.short_moment(facts['last_at'])}" if facts["last_at"] else "还没有单子"),
    Part("events", "部门消息", "付款、退货、离职转到任务", "events", _events, _queue_note),
    Part("enrollments", "回访引擎", "到点给导购建任务", "enrollments", _enrollments, _queue_note),
    Part("recompute", "规则重算", "新规则发布以后", "recompute", _recompute,
         lambda facts: "正在算，不影响用" if facts["is_running"] else "没有要算的", lambda facts: facts["since"]),
    Part("notices", "任务通知", "新任务告诉导购", "notices", _notices, lambda facts: "没有漏的"),
    Part("outbox", "推送发件箱", "排队要发的提醒", "outbox", _outbox, _queue_note),
    Part("wecom", "企业微信接口", "发消息、登录", "wecom", _wecom, _wecom_note),
    Part("inbox", "回调收件箱", "企业微信来的通知", "inbox", _inbox, _queue_note),
    Part("boards", "看板汇总", "复盘和看板的数字", "boards", _boards,
         lambda facts: f"{words.clock_time(facts['counted_at'])} 的数字" if facts["counted_at"] else "还没有数字"),
    Part("scoring", "会员统计", "消费、等级、分层", "scoring", _scoring, lambda facts: "算完了" if facts["runs"] else "还没算过"),
    Part("conservation", "守恒核对", "每晚数一遍，订单和任务一件不少", "conservation", _conservation,
         lambda facts: f"少 0，{words.short_moment(facts['proved_at'])} 核对" if facts["proved_at"] else "还没到时间"),
)  # fmt: skip
