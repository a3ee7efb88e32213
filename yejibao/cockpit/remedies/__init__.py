"""What each part of the chain is, when it is not well, what that means for guides, and who does what about it.

Read by 系统健康 alone. The words follow the degradation table of reliability-security §12; deploy/runbook.md says the same
to those who are called by an alarm.
"""

from typing import Any

from yejibao.core import words

from . import chain, doors, figures, ground, processes
from .fault import OPS, SAFE, Facts, Fault, Part, Step, answers, long, share

__all__ = ["PARTS", "Fault", "Part", "unread"]


def unread(part: Part, facts: Facts, signs: Facts) -> Fault:
    """Return what to say of a part whose check failed: mostly the database is what is ill."""
    if part.sign == "redis":
        return ground.REDIS_GONE
    if facts["state"] == "slow":
        return Fault(
            "变慢", "一秒内没读到", "这一项现在看不到，多半是数据库忙。" + SAFE,
            (Step(OPS, "先处理上面的数据库；只有这一项读不到时，看有没有锁住的表。", "select * from pg_locks where not granted"),),
        )  # fmt: skip
    return Fault(
        "出错", f"读不到（{facts['error']}）", "这一项现在看不到，不等于它坏了。" + SAFE,
        (Step(OPS, "按这个错误名查网页日志，发给开发。", f"journalctl -u yejibao-web | grep {facts['error']}"),),
    )  # fmt: skip


def _queue_note(facts: Facts) -> str:
    return f"{words.count(facts['due'])} 条在等" if facts.get("due") else "没有积压"


def _of(name: str) -> dict[str, Any]:
    facts_of = processes.process(name)
    return {
        "note": lambda facts: processes.heartbeat(facts_of(facts)),
        "since": lambda facts: facts_of(facts).get("since"),
    }


PARTS = (
    Part("database", "数据库", "所有数据都在这里", "database", ground.database,
         lambda facts: f"{answers(facts)}，连接用了 {share(facts['connection_share'])}"),
    Part("tables", "数据库结构", "和程序同一个版本", "tables", ground.tables, lambda facts: "已是最新"),
    Part("redis", "Redis", "传话和计数，丢了不要紧", "redis", ground.redis, answers),
    Part("disk", "磁盘", "放图片和日志", "disk", ground.disk,
         lambda facts: f"用了 {share(facts['used_share'])}，还剩 {words.count(round(facts['free_gigabytes']))} GB"),
    Part("backups", "备份", "每晚一份，每周演练恢复", "backups", ground.backups,
         lambda facts: f"最近一份在 {long(facts['backup_age_seconds'])} 前", shows=lambda facts: facts["is_wanted"]),
    Part("beat", "定时器", "到点叫醒后台任务", "heartbeats", processes.beat, **_of("beat")),
    Part("worker", "后台任务", "建任务、算看板", "heartbeats", processes.worker, **_of("worker")),
    Part("sender", "发送器", "把提醒发到企业微信", "heartbeats", processes.sender, **_of("sender")),
    Part("inbox-process", "收件进程", "处理企业微信的通知，发欢迎语", "heartbeats", processes.inbox_process, **_of("inbox"),
         shows=lambda facts: "inbox" in facts["processes"]),
    Part("nightly", "夜间任务", "夜里的统计和核对", "heartbeats", processes.nightly,
         lambda facts: "都跑过了" if facts["jobs"].keys() & processes.NIGHTLY.keys() else "还没到时间", lambda facts: None),
    Part("orders", "销售进单", "收银和商城传来的单子", "orders", chain.orders,
         lambda facts: f"最近一单 {words.short_moment(facts['last_at'])}" if facts["last_at"] else "还没有单子"),
    Part("intake", "数据接入", "各系统送来的和上传的数据", "intake", chain.intake, lambda facts: "收到的都对得上", since=lambda facts: facts.get("since")),
    Part("events", "系统通知", "付款、退货、离职转到任务", "events", chain.events, _queue_note),
    Part("enrollments", "回访引擎", "到点给导购建任务", "enrollments", chain.enrollments, _queue_note),
    Part("recompute", "规则重算", "新规则发布以后", "recompute", chain.recompute,
         lambda facts: "正在算，不影响用" if facts["is_running"] else "没有要算的", lambda facts: facts["since"]),
    Part("notices", "任务通知", "新任务告诉导购", "notices", chain.notices, lambda facts: "没有漏的"),
    Part("outbox", "推送发件箱", "排队要发的提醒", "outbox", chain.outbox, _queue_note),
    Part("gate", "发送闸", "恢复备份后停着，等人核对", "gate", chain.gate, since=lambda facts: facts["since"],
         shows=lambda facts: not facts["ok"]),
    Part("wecom", "企业微信接口", "发消息、登录", "wecom", chain.wecom, chain.wecom_note),
    Part("inbox", "回调收件箱", "企业微信来的通知", "inbox", chain.inbox, _queue_note),
    Part("payments", "微信支付", "收款、退款的结果", "payments", chain.payments, _queue_note),
    Part("walking", "登录安全", "有没有人挨个试编号", "walking", doors.walking, since=lambda facts: facts["since"],
         shows=lambda facts: not facts["ok"]),
    Part("boards", "看板汇总", "复盘和看板的数字", "boards", figures.boards,
         lambda facts: f"{words.clock_time(facts['counted_at'])} 的数字" if facts["counted_at"] else "还没有数字"),
    Part("scoring", "会员统计", "消费、等级、分层", "scoring", figures.scoring, lambda facts: "算完了" if facts["runs"] else "还没算过"),
    Part("ledger", "储值账", "每晚数一遍，分毫不差", "ledger", figures.ledger,
         lambda facts: f"差 0，{words.short_moment(facts['proved_at'])} 核对" if facts["proved_at"] else "还没到时间"),
    Part("reconciliation", "微信对账", "每天 10:30 对前一天", "reconciliation", figures.reconciliation,
         lambda facts: f"对到 {facts['day']}" if facts["day"] else "还没有对过"),
    Part("conservation", "守恒核对", "每晚数一遍，订单和任务一件不少", "conservation", figures.conservation,
         lambda facts: f"少 0，{words.short_moment(facts['proved_at'])} 核对" if facts["proved_at"] else "还没到时间"),
)  # fmt: skip
