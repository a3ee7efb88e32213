"""From the till to the task, and from the task to the phone."""

from yejibao.core import words
from yejibao.core.health import LATE_SECONDS

from ..causes import WAITS_FOR_SOMEBODY, cause_of
from .fault import HQ, OPS, SAFE, Facts, Fault, Step, long, said


def orders(facts: Facts, signs: Facts) -> Fault | None:
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


def intake(facts: Facts, signs: Facts) -> Fault | None:
    if facts["state"] == "ok":
        return None
    steps = []
    if facts["breaks"]:
        steps.append(
            Step(HQ, "看哪个来源哪天对不上，请它的负责人补送；补送不会重复。", link="看对账", to="intake:days")
        )
    if facts["waiting_rows"]:
        steps.append(Step(HQ, "有错的行放了三天以上：改好再补，或者写明原因关闭。", link="去处理", to="intake:refused"))
    if facts["stands_still"]:
        steps.append(Step(OPS, "有文件停着不动：看后台任务。", "journalctl -u yejibao-worker -n 100 | grep intake"))
    what = "、".join(
        text
        for count, text in (
            (facts["breaks"], f"{facts['breaks']} 天对不上"), (facts["waiting_rows"], f"{words.count(facts['waiting_rows'])} 行没人处理"),
            (facts["stands_still"], f"{facts['stands_still']} 个文件停着"),
        ) if count
    )  # fmt: skip
    return Fault(
        "待处理", what, "少了的会员、商品、订单不会自己来，跟着它们的任务也不会有；已经收到的都在。", tuple(steps)
    )


def events(facts: Facts, signs: Facts) -> Fault | None:
    if facts["oldest_due_seconds"] > LATE_SECONDS:
        return Fault(
            said(facts), f"{words.count(facts['due'])} 条在等，最久 {long(facts['oldest_due_seconds'])}",
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


def enrollments(facts: Facts, signs: Facts) -> Fault | None:
    if facts["oldest_due_seconds"] > LATE_SECONDS:
        return Fault(
            said(facts), f"{words.count(facts['due'])} 步到点没打开，最久 {long(facts['oldest_due_seconds'])}",
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


def recompute(facts: Facts, signs: Facts) -> Fault | None:
    if facts["state"] == "ok":
        return None
    return Fault(
        "变慢", "新规则还没有算完", "到点的任务已经按新规则开，只是个别会员的时间晚些才换过来。",
        (Step(HQ, "看进度；一小时后还没走，找运维。", link="看进度", to="tasks:rules"), Step(OPS, "看后台任务是不是正常。")),
    )  # fmt: skip


def notices(facts: Facts, signs: Facts) -> Fault | None:
    if facts["state"] == "ok":
        return None
    return Fault(
        said(facts), f"有加急任务 {long(facts['oldest_due_seconds'])}没通知到导购", "30 分钟回访这类加急的会晚；今日列表照常看得到。",
        (Step(OPS, "它由后台任务每半分钟做一次：先看后台任务和定时器。", "journalctl -u yejibao-worker -n 200 | grep told"),),
    )  # fmt: skip


# ---------------------------------------------------------------- from the task to the phone


def outbox(facts: Facts, signs: Facts) -> Fault | None:
    if facts["oldest_due_seconds"] > LATE_SECONDS:
        return Fault(
            said(facts), f"{words.count(facts['due'])} 条到点没发出去，最久 {long(facts['oldest_due_seconds'])}",
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


def wecom(facts: Facts, signs: Facts) -> Fault | None:
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
            "变慢", f"被企业微信限流，{long(seconds)}后再试", "提醒会晚几分钟，不会丢也不会重复；登录可能要等一下。",
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
        "变慢", f"调用额度用了 {share(share)}（{api}）", "用完以后提醒要等额度恢复。",
        (Step(OPS, "看是不是有人在全量同步，或别的程序在用同一个应用。"), Step(HQ, "今天先不要群发。")),
    )  # fmt: skip


def wecom_note(facts: Facts) -> str:
    age = facts["token_age_seconds"]
    token = "令牌还没取过" if age is None else f"令牌 {long(age)}前换的"
    return f"没有被限流，{token}"


def inbox(facts: Facts, signs: Facts) -> Fault | None:
    late = facts.get("oldest_due_seconds", 0)
    if late > LATE_SECONDS:
        return Fault(
            said(facts), f"{words.count(facts['due'])} 条企业微信的通知没处理，最久 {long(late)}",
            "刚加的好友、删除的好友晚一点才看到；每小时还会和企业微信核对一次，不会漏。",
            (Step(OPS, "它由收件进程处理，后台任务兜底：先看这两个。", "systemctl status yejibao-inbox yejibao-worker"),),
        )  # fmt: skip
    if facts.get("parked"):
        return Fault(
            "待处理", f"{words.count(facts['parked'])} 条通知处理不了，放在一边了", "只有这几条受影响，夜里核对时会补上。",
            (Step(HQ, "点进去看是哪一类，按编号重放；还不行，把编号给开发。", link="去处理", to="cockpit:inbox"),),
        )  # fmt: skip
    return None


def payments(facts: Facts, signs: Facts) -> Fault | None:
    late = facts.get("oldest_due_seconds", 0)
    if late > LATE_SECONDS:
        return Fault(
            said(facts), f"{words.count(facts['due'])} 笔微信支付没问到结果，最久 {long(late)}",
            "充值和收款显示“支付中”，没有到账的一律不记；现金、刷卡、储值照常收。付了的钱不会丢，问到就到账。",
            (
                Step(OPS, "看后台任务；微信支付自己停了就等它恢复，会接着问。", "journalctl -u yejibao-worker | grep wechatpay | tail"),
                Step(OPS, "连得上却被拒，就做一遍上线体检。", "bin/manage doctor"),
            ),
        )  # fmt: skip
    if facts.get("parked"):
        return Fault(
            "待处理", f"{words.count(facts['parked'])} 笔退款或通知卡住了", "只有这几笔受影响，会员会问钱到了没有。",
            (Step("财务", "在「对账 → 微信退款 → 卡住的」里看原因，重发或另外退。", link="去处理", to="crm:finance-refunds"),),
        )  # fmt: skip
    return None


def gate(facts: Facts, signs: Facts) -> Fault | None:
    if facts["ok"]:
        return None
    return Fault(
        "待处理", f"发送停着（{facts['why']}）", "恢复备份以后，提醒先不发，免得发过的再发一遍。任务和页面照常。",
        (
            Step(HQ, "推送健康里看「结果不明」的提醒，该关的关掉。", to="cockpit:push"),
            Step(OPS, "系统管理员把列出的几件事一件件核对，写下谁核对了什么，再恢复发送。", "python manage.py open_gate --reason …",
                 link="去核对", to="cockpit:backups"),
        ),
    )  # fmt: skip
