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
