"""What everything stands on: the database, its tables, Redis, the disk."""

from yejibao.core import signs as vitals
from yejibao.core import words

from .fault import HQ, OPS, SAFE, Facts, Fault, Step, long, said, share


def database(facts: Facts, signs: Facts) -> Fault | None:
    off = facts["clock_off_seconds"]
    if off > vitals.CLOCK_OFF_SECONDS:
        return Fault(
            "出错", f"这台机器的时钟和数据库差 {long(off)}",
            "时钟不准时发送器会自己停下，导购暂时收不到提醒；任务不会丢，对准后自己补发。",
            (
                Step(OPS, "在应用服务器上打开时间同步。", "timedatectl set-ntp true"),
                Step(OPS, "看差多少；对准后 5 秒内自己恢复，不用重启。", "timedatectl timesync-status"),
            ),
        )  # fmt: skip
    if facts["longest_transaction_seconds"] >= vitals.LONG_TRANSACTION_SECONDS:
        return Fault(
            "变慢", f"有一个事务开了 {long(facts['longest_transaction_seconds'])}",
            "现在还感觉不到；开得越久，旧数据清理不掉，页面会越来越慢。",
            (
                Step(OPS, "找到它是谁。备份在跑就等它结束。", "select pid, state, xact_start, application_name "
                     "from pg_stat_activity order by xact_start limit 5"),
                Step(OPS, "不是备份，就结束它；业绩宝自己的事务被结束不会丢数据。", "select pg_terminate_backend(PID)"),
            ),
        )  # fmt: skip
    if facts["connection_share"] >= vitals.CONNECTION_SHARE:
        return Fault(
            "变慢", f"连接用了 {share(facts['connection_share'])}", "再高就会有人打不开页面，看到「系统忙，请稍后再试」。",
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


def tables(facts: Facts, signs: Facts) -> Fault | None:
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


def redis(facts: Facts, signs: Facts) -> Fault | None:
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
            "变慢", f"内存用了 {share(facts['memory_share'])}", "满了以后提醒会慢几秒。" + SAFE,
            (Step(OPS, "调大 maxmemory（不要改淘汰策略，要保持 noeviction）。", "redis-cli info memory"),),
        )  # fmt: skip
    return Fault(
        "变慢", f"答一句要 {facts['milliseconds']:.0f} 毫秒", "提醒会慢一点。" + SAFE,
        (Step(OPS, "看这台 Redis 的 CPU，和有没有别的程序在用它。", "redis-cli --latency"),),
    )  # fmt: skip


def disk(facts: Facts, signs: Facts) -> Fault | None:
    if facts["state"] == "ok":
        return None
    return Fault(
        said(facts), f"用了 {share(facts['used_share'])}，还剩 {facts['free_gigabytes']:.0f} GB",
        "满了以后先是传不了图片，再是什么都存不了。",
        (
            Step(OPS, "看谁占的。", "du -xh --max-depth=2 /var | sort -h | tail"),
            Step(OPS, "清掉旧日志；图片多就把 MEDIA_ROOT 搬到大盘。", "journalctl --vacuum-time=200d"),
        ),
    )  # fmt: skip


def backups(facts: Facts, signs: Facts) -> Fault | None:
    if facts["ok"]:
        return None
    backup, drill = facts["backup_age_seconds"], facts["drill_age_seconds"]
    if backup is None or backup > vitals.BACKUP_OLD:
        return Fault(
            "待处理", "还没有备份过" if backup is None else f"最近一次备份在 {long(backup)} 前",
            "现在什么都照常；万一数据库坏了，只能回到那时候。",
            (
                Step(OPS, "看定时备份为什么没跑成。", "journalctl -u yejibao-backup -n 50"),
                Step(OPS, "修好后马上备份一次。", "systemctl start yejibao-backup"),
            ),
        )  # fmt: skip
    return Fault(
        "待处理", "还没有演练过恢复" if drill is None else f"最近一次演练通过在 {long(drill or 0)} 前",
        "备份在做，但没有证明过能恢复。",
        (
            Step(OPS, "看上次演练哪一项没通过。", to="cockpit:backups", link="看演练"),
            Step(OPS, "修好后再演练一次，原来的库一行不动。", "systemctl start yejibao-drill"),
        ),
    )  # fmt: skip
