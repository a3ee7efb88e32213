"""Boards, member statistics, the nightly proof."""

from yejibao.core import words

from .fault import HQ, OPS, Facts, Fault, Step, said


def boards(facts: Facts, signs: Facts) -> Fault | None:
    if facts["state"] == "ok":
        return None
    return Fault(
        said(facts), f"数字停在 {words.clock_time(facts['counted_at'])}", "店长、区长看到的复盘数字是旧的，门店自己的今天照常是新的；导购不受影响。",
        (Step(OPS, "它由后台任务每分钟算一次：先看后台任务。", "journalctl -u yejibao-worker | grep refresh_days | tail -5"),),
    )  # fmt: skip


def scoring(facts: Facts, signs: Facts) -> Fault | None:
    if facts["state"] == "ok":
        return None
    return Fault(
        "变慢", "会员统计算了 4 个多小时还没完", "会员的消费、等级是前一天的，不影响回访。",
        (Step(OPS, "看夜间任务；它会接着上次的地方算，重启也不会重头来。", "systemctl restart yejibao-nightly"),),
    )  # fmt: skip


def ledger(facts: Facts, signs: Facts) -> Fault | None:
    if facts["state"] == "ok":
        return None
    off = "、".join(
        text for text, is_off in (
            (f"总差 {facts['difference_fen']} 分", facts["difference_fen"]), (f"余额不符的卡 {facts['wallets']} 张", facts["wallets"]),
            (f"借贷不平的流水 {facts['transfers']} 笔", facts["transfers"]), (f"对不上的日结 {facts['days']} 天", facts["days"]),
        ) if is_off
    )  # fmt: skip
    return Fault(
        "出错", f"储值账不平：{off}", "退卡付款已自动停下，消费和充值不受影响。",
        (
            Step(OPS, "先备份，再看是哪几张卡、哪几笔；流水不能改，只能冲正。", "bin/manage trial_balance --json"),
            Step("财务", "核平以后再数一遍，平了退款自动恢复。", "bin/manage trial_balance"),
        ),
    )  # fmt: skip


def reconciliation(facts: Facts, signs: Facts) -> Fault | None:
    if facts["state"] == "ok":
        return None
    if facts["is_late"]:
        return Fault(
            "变慢", f"微信账单只对到 {facts['day']}", "收款照常，只是昨天的账还没人核过。",
            (
                Step("财务", "看是账单没到还是读不懂；每小时自己再取一次。", link="去看", to="crm:finance"),
                Step(OPS, "连不上微信支付就做一遍上线体检。", "bin/manage doctor"),
            ),
        )  # fmt: skip
    return Fault(
        "待处理", f"{words.count(facts['old'])} 条对账差异三天没处理", "这几天关不了账；导购和会员不受影响。",
        (Step("财务", "一条条写明怎么办。", link="去处理", to="crm:finance-breaks"),),
    )  # fmt: skip


def conservation(facts: Facts, signs: Facts) -> Fault | None:
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
