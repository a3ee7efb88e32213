"""What each job of the schedule is for, in words for HQ. One without words stands with its name alone."""

from collections import Counter

from yejibao.schedule import ENTRIES

WHAT_FOR = {
    "yejibao.core.jobs.heartbeat": "后台任务报一声自己还在",
    "yejibao.core.jobs.watch_health": "每分钟看一遍系统各处好不好",
    "yejibao.core.jobs.notice_secrets": "发现密钥被换过，记进审计",
    "tasks.followups.jobs.open_due_tasks": "把到点的回访变成导购的任务",
    "yejibao.wecom.mass.jobs.go_on_with_mass_sends": "接着发群发和朋友圈，取回结果",
    "yejibao.wechatpay.jobs.go_on_with_payments": "处理微信支付的通知，查没有结果的支付，发出退款",
    "crm.wallet.jobs.expire_old_top_ups": "会员半小时没确认的充值作废",
    "crm.wallet.jobs.prove_ledger_nightly": "储值账日结，把每张卡和每笔流水数一遍",
    "crm.finance.jobs.reconcile_days": "每天 10:30 取微信账单和账对一遍，有差异的当天接着对",
    "yejibao.wechatpay.jobs.tidy_notices": "清理到期的支付通知",
    "crm.orders.checkout.jobs.close_expired_sales": "到时间没付的单关掉，券、积分、储值和货退回去",
    "crm.visits.jobs.plan_groups": "把集体邀约分给各位导购",
    "crm.visits.jobs.follow_visits": "给快到的邀约留货，过了时间的记为没来或没回音，没人确认的告诉店长",
    "crm.benefits.jobs.issue_coupons": "接着把券发给选好的人群",
    "crm.benefits.jobs.end_coupons": "到期的券失效",
    "crm.benefits.jobs.end_points": "去年的积分到期清零",
    "crm.benefits.jobs.give_birthdays": "提前 15 天发生日券",
    "crm.benefits.jobs.prove_points_nightly": "证明积分账一分不差",
    "crm.benefits.jobs.tell_endings": "券、积分、等级快到期的，早上告诉专属导购",
    "yejibao.wecom.inbox.jobs.work_inbox": "处理企业微信发来的通知（收件箱进程停了时的后备）",
    "tasks.cadences.jobs.recompute_hands": "规则发布后，按新规则重算等着的回访",
    "tasks.review.jobs.refresh_days": "更新复盘看板的数字",
    "crm.friends.jobs.read_changed_friends": "读有变动的好友",
    "crm.friends.jobs.make_codes": "给新同事、新门店生成加好友码",
    "crm.corptags.jobs.settle_chat_tags": "会员标签和企业微信客户标签互相同步",
    "crm.corptags.jobs.bring_tag_groups": "在企业微信建好标签组",
    "crm.friends.jobs.go_on_with_sync": "好友全量同步接着读",
    "crm.friends.jobs.look_for_new_friends": "每小时找回调漏掉的新好友",
    "guides.org.jobs.go_on_with_people_sync": "通讯录同步接着读",
    "guides.org.jobs.move_staff": "到日子的调店生效",
    "guides.announcements.jobs.go_on_with_announcements": "发到点的公告，提醒没读的人，收回撤了的",
    "guides.announcements.jobs.tell_newcomers": "还有效的公告告诉新来和调来的人",
    "tasks.duties.jobs.open_self_patrols": "每周一给店长一件自主巡店",
    "tasks.duties.jobs.expire_duties": "过了期的店务（公告、整改等）作废",
    "guides.attendance.clockin.jobs.remind_absent": "上班十分钟还没打卡的，提醒一次",
    "guides.attendance.clockin.jobs.close_days": "一天过完，没打卡的记缺卡，告诉本人",
    "guides.attendance.clockin.jobs.pull_check_ins": "设置里打开了才取企业微信自带打卡的记录",
    "guides.attendance.clockin.jobs.coarsen_places": "半年前的打卡位置只留 100 米大的一格",
    "crm.portal.jobs.purge_member_sessions": "会员过期的登录和用过的入口票据删掉",
    "crm.aftersale.jobs.cover_tickets": "今天不在的同事，售后单转给代办人，回来再转回去",
    "crm.aftersale.jobs.pass_up_late": "售后单过了时限，转给下一级：店长、总部客服，再往上知会",
    "crm.aftersale.jobs.age_complaint_tags": "两年以前的投诉不再算进标签",
    "crm.aftersale.jobs.tell_of_unclaimed": "好了 90 天没人来取的衣服，告诉店长一次",
    "crm.aftersale.jobs.draw_checks": "每周一从上周办完的售后单里抽出要质检的",
    "crm.aftersale.jobs.close_silent": "等顾客回音满 7 天没有消息的售后单自动办结",
    "crm.surveys.jobs.ask_for_surveys": "买完两天、售后办完一天，请会员评一次；不打扰退订的、售后没办完的",
    "crm.surveys.jobs.age_survey_tags": "太久以前的评价不再算进标签",
    "crm.tailoring.jobs.look_after_fittings": "昨天约了量体没来的记下，同事不在的换人接待",
    "guides.worklog.jobs.ask_for_logs": "晚上请今天上班的同事写工作日志、提醒没交的，第二天告诉店长谁没交",
    "guides.attendance.jobs.seed_holidays": "从日历库补法定节假日和调休",
    "guides.patrol.rectify.jobs.follow_rectifications": "逾期的整改往上报，没人复查的转区长，离职的换人",
    "guides.patrol.figures.jobs.count_patrols": "把刚提交的巡店和整改算进统计",
    "guides.patrol.figures.jobs.count_patrols_again": "把这个月和上个月的巡店统计重算一遍",
    "guides.patrol.reminders.jobs.remind_of_patrols": "每天早上发五种巡店提醒",
    "crm.orders.proxy.jobs.follow_proxy_orders": "转给导购没人确认的找店长，过期没付的代客单结束",
    "crm.catalogue.stocktake.jobs.end_old_stocktakes": "没人盘、没人批的盘点到期作废",
    "guides.approvals.jobs.end_old_approvals": "没人批的申请到期作废",
    "guides.exports.jobs.make_exports": "做批好的导出文件",
    "guides.exports.jobs.forget_exports": "删掉到期的导出文件",
    "yejibao.intake.jobs.go_on_with_batches": "接着处理导入和接口推来的数据",
    "yejibao.intake.jobs.count_days": "各来源的每日对账",
    "tasks.followups.jobs.settle_notifications": "已经办完的事，消息自动算已读",
    "crm.catalogue.jobs.end_promises": "到时间没人取的留货放回去，没人回的调货作废",
    "crm.catalogue.jobs.compute_product_tags": "按规则重算商品标签（新品、断码、畅销滞销等）",
    "crm.members.jobs.apply_handovers": "过了时间没人定的交接，按建议的人交",
    "crm.members.jobs.pass_on_friends": "把微信好友转给接手的同事",
    "tasks.review.jobs.send_daily_lists": "早上发给店长的清单，一天一次",
    "tasks.review.jobs.send_weekly_lists": "周一发给区长的清单，一周一次",
    "tasks.followups.jobs.sample_spot_checks": "每周抽一些手工完成的任务给店长核实",
    "crm.scoring.jobs.recount_members_nightly": "重算每位会员的消费次数、金额和生命周期",
    "crm.scoring.jobs.settle_levels_nightly": "到期的会员等级续期或下调",
    "crm.scoring.jobs.rank_tiers_monthly": "每月 1 日重排 631 分层",
    "tasks.review.jobs.rebuild_days": "把近 45 天的看板数字从头再算一遍，核对有没有差",
    "tasks.scripts.jobs.count_script_uses": "统计话术的使用和回复",
    "tasks.cadences.jobs.prove_conservation": "核对订单、步骤、任务一件不少",
    "yejibao.core.jobs.tidy_outbox": "清理过了保存期的推送记录",
    "guides.helpdesk.jobs.ring_the_next": "门店问的没人答复，到时间通知下一位",
    "guides.helpdesk.jobs.close_unrated": "答复三天没人评的问题自动结束",
    "guides.votes.jobs.hand_out_ballots": "把新的投票送到每个人手里",
    "guides.meetings.jobs.tell_attendees": "把新的会议送到每个人手里",
    "guides.meetings.jobs.remind_attendees": "开会前 15 分钟提醒",
    "guides.meetings.jobs.make_calls": "在企业微信里建会议、取消会议",
    "guides.meetings.jobs.count_joined": "散会后问企业微信谁参加了",
    "guides.drive.jobs.read_spaces": "读企业微信微盘里的新资料",
    "yejibao.core.jobs.tidy_files": "删掉传上来两天没用上的照片和文件",
    "yejibao.wecom.inbox.jobs.tidy_inbox": "清理过了保存期的回调",
    "guides.org.jobs.start_nightly_people_sync": "夜里把通讯录从头读一遍",
    "crm.friends.jobs.start_nightly_sync": "夜里把所有人的客户读一遍",
    "crm.corptags.jobs.start_nightly_tag_sync": "夜里核对企业标签",
    "crm.friends.jobs.follow_codes": "加好友码跟着人员变动换人",
    "crm.tags.jobs.age_filled_tags": "满一年的标签请导购再确认",
    "crm.privacy.jobs.forget_members_nightly": "按会员的要求清除个人信息",
    "crm.privacy.jobs.forget_worn_out": "过了保存期的个人信息按规定清除",
    "yejibao.core.jobs.thin_audit": "清理过了保存期的审计记录（一般三年，看号码的五年）",
    "crm.quality.jobs.check_quality": "找没手机号、重复、不可能的数据，列成清单",
    "yejibao.intake.jobs.tidy_intake": "清理过了保存期的接入批次",
    "tasks.followups.jobs.forget_old_clicks": "清理卡片点击记录",
    "yejibao.core.jobs.seal_audit": "给当天的审计记录封存，之后改不了",
    "guides.notices.jobs.forget_notifications": "清理旧消息",
    "guides.org.jobs.purge_sessions": "清理已经结束的登录",
}
# What came of a run, in words. Several names may have one word: their numbers are added up.
COUNTS = {
    # 跟进
    "open": "开了任务", "opened": "开了", "skip": "跳过", "skipped": "跳过", "wait": "在等人或等时间", "later": "时间还没到",
    "cancel": "取消", "hold": "暂缓", "shift": "挪到明天", "alter": "等改衣", "expired": "过期", "escalated": "上报",
    "recomputed": "重算", "sampled": "抽了", "settled": "已读", "lists": "发出清单", "tasks": "件任务", "weak": "家跟进不够的店",
    "scripts": "条话术", "planned": "试算",
    # 评价
    "ticket_open": "售后没办完，不问", "capped": "问过了，不再问",
    # 复盘数字
    "marks": "处有变动", "days": "天", "differences": "处对不上", "added": "新增", "gone": "不在了", "answered": "已回复",
    # 好友和标签
    "read": "读了", "calls": "次调用", "new": "新好友", "back": "又加回来", "lost": "不再是好友", "linked": "对上会员", "asked": "请人判断",
    "abandoned": "没人接着判断的", "wanted": "要做的码", "ready": "做好", "retired": "停用", "nobody": "没有人可放", "taken": "别处正在做",
    "heard": "收下", "same": "没变", "paused": "先停着", "marked": "打好标签", "made": "做好", "removed": "去掉", "refused": "没被接受",
    "groups": "组", "parts": "段", "gone_groups": "没了的组", "gone_tags": "没了的标签", "tags": "个标签", "friends": "比了好友",
    "unheard": "没收到的", "differ": "不一样的", "aftersale": "售后完了，接着跟进", "handover": "交接完了，接着跟进",
    # 群发
    "created": "新建", "making": "平台正在做", "found": "查到了", "looking": "在查", "held": "等人确认", "never_made": "没做成",
    "unknown": "结果不明", "reading": "在读", "lost_lease": "别处接手了", "sent": "发出",
    # 储值
    "entries": "数了分录", "difference_fen": "分差额", "wallets_off": "张卡余额不符", "transfers_off": "笔借贷不平",
    "days_off": "天对不上",
    # 券和积分
    "coupons_expired": "张券到期", "coupons_issued": "张券发出", "birthday_coupons": "张生日券", "points_expired": "积分到期", "faults": "处对不上",
    "guides_told": "位导购通知了",
    # 员工和会员
    "renamed": "改名", "states": "改状态", "without_store": "没有门店", "left_alone": "没动", "moved": "生效", "dropped": "作废",
    "handed_over": "交接好", "without_heir": "没有人接", "members": "位会员", "renewed": "续期", "lowered": "下调", "ranked": "排好",
    "requests": "件要求", "taker_full": "接手人满了", "waiting": "等 24 小时",
    # 微信支付和对账
    "orders": "笔支付问了结果", "refunds": "笔退款", "unanswered": "没应答", "breaks": "处差异",
    # 接入、导出和清理
    "batches": "批", "rows": "行", "files": "份文件", "sums": "个来源对了账", "unattended": "没人管的", "seals": "天的记录", "broken": "封存对不上",
    "deleted": "删除", "cleared": "清掉正文", "forgotten": "清理", "bodies": "清掉正文", "events": "条系统通知", "messages": "条消息",
    "ended": "结束", "changed": "有变动",
    # 请假和日志
    "covered": "张换人代办", "passed": "张转给下一级", "refunded": "张退款到账办结", "exchanged": "张换好办结", "exchanges_failed": "张没换成，退回导购", "made_good": "张赔付办结", "refunds_refused": "张退款没批，退回处理", "refunds_stuck": "张微信退不回去，告诉财务", "exchanges_closed": "次换货没补差价，作废", "drawn": "张抽去质检", "missed": "位约了没来", "visits_planned": "位排进邀约", "visits_ended": "次邀约到期结束", "visits_kept_for": "次邀约留好了货", "visits_raised": "位自己约的没人回，告诉店长", "strangers": "个没入会的登录清掉", "unclaimed": "件没人来取，告诉店长", "writers": "人请写日志", "reminded": "人提醒了", "reported": "人没交",
    # 公告、会议、呼叫总部、打卡、巡店
    "told": "人通知了", "managers": "位店长通知了", "overdue": "人过期没看", "published": "条发布", "recalled": "条收回",
    "missing": "人缺卡", "today": "人今天缺卡", "yesterday": "人昨天缺卡", "coarsened": "处改粗", "nudged": "人提醒了", "rung": "响了",
    "closed": "结束", "counted": "数了", "called_off": "取消", "late": "件上报", "unchecked": "件没人复查",
    # 货品
    "reservations_expired": "件留货放回", "transfers_expired": "件调货作废", "style_tags_changed": "个商品标签变了",
    # 哪里都有的
    "done": "完成", "handled": "处理", "parked": "搁置", "failed": "失败", "put_off": "过会再试", "freed": "重新排队", "queued": "排队",
    "unhandled": "没有部门认领", "not_well": "不正常的",
}  # fmt: skip
FAMILIES = {
    "event ": "条系统通知", "told ": "条提醒", "released ": "放开暂缓", "failed ": "个环节没做成", "unit_": "个组织的数字",
}  # fmt: skip
# Where each count is named by its row: by table, by check, by cadence.
OF_ONE_KIND = {
    "crm.privacy.jobs.forget_worn_out": "清除", "tasks.cadences.jobs.prove_conservation": "找不到的", "crm.quality.jobs.check_quality": "处要看",
}  # fmt: skip
NOT_COUNTED = {"run", "is_finished", "ran_at", "busy"}  # an id, a yes or a moment
NAMES_OF_JOBS = {entry.job: entry.name for entry in ENTRIES}


def count_word(name: str, job: str = "") -> str:
    """Return the word for a count; 其他 for one that nobody has named yet."""
    if job in OF_ONE_KIND:
        return OF_ONE_KIND[job]
    if family := next((word for head, word in FAMILIES.items() if name.startswith(head)), ""):
        return family
    return COUNTS.get(
        name.removeprefix("friends_").partition(":")[0], "其他"
    )  # skip:late_data: the action, then its reason


def count_words(counts: dict[str, int], job: str = "") -> str:
    """Return 开了任务 12，跳过 3: the first four, what has the same word together."""
    tally: Counter[str] = Counter()
    for name, number in counts.items():
        if name not in NOT_COUNTED:
            tally[count_word(name, job)] += number
    return "，".join(f"{word} {number:,}" for word, number in list(tally.items())[:4])
