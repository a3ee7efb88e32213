"""What each job of the schedule is for, in words for HQ. One without words stands with its name alone."""

WHAT_FOR = {
    "yejibao.core.jobs.heartbeat": "后台任务报一声自己还在",
    "yejibao.core.jobs.watch_health": "每分钟看一遍系统各处好不好",
    "yejibao.core.jobs.notice_secrets": "发现密钥被换过，记进审计",
    "tasks.followups.jobs.open_due_tasks": "把到点的回访变成导购的任务",
    "yejibao.wecom.mass.jobs.go_on_with_mass_sends": "接着发群发和朋友圈，取回结果",
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
    "guides.approvals.jobs.end_old_approvals": "没人批的申请到期作废",
    "guides.exports.jobs.make_exports": "做批好的导出文件",
    "guides.exports.jobs.forget_exports": "删掉到期的导出文件",
    "yejibao.intake.jobs.go_on_with_batches": "接着处理导入和接口推来的数据",
    "yejibao.intake.jobs.count_days": "各来源的每日对账",
    "tasks.followups.jobs.settle_notifications": "已经办完的事，消息自动算已读",
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
    "yejibao.wecom.inbox.jobs.tidy_inbox": "清理过了保存期的回调",
    "guides.org.jobs.start_nightly_people_sync": "夜里把通讯录从头读一遍",
    "crm.friends.jobs.start_nightly_sync": "夜里把所有人的客户读一遍",
    "crm.corptags.jobs.start_nightly_tag_sync": "夜里核对企业标签",
    "crm.friends.jobs.follow_codes": "加好友码跟着人员变动换人",
    "crm.tags.jobs.age_filled_tags": "满一年的标签请导购再确认",
    "crm.privacy.jobs.forget_members_nightly": "按会员的要求清除个人信息",
    "tasks.followups.jobs.forget_old_clicks": "清理卡片点击记录",
    "yejibao.core.jobs.seal_audit": "给当天的审计记录封存，之后改不了",
    "guides.notices.jobs.forget_notifications": "清理旧消息",
    "guides.org.jobs.purge_sessions": "清理已经结束的登录",
}
COUNTS = {
    "opened": "开了", "skipped": "跳过", "moved": "生效", "deleted": "删除", "sent": "发出", "done": "完成", "rows": "行",
    "settled": "已读", "handled": "处理", "parked": "搁置", "failed": "失败", "created": "新建", "states": "改状态",
    "renamed": "改名", "not_well": "不正常的", "members": "位会员", "sampled": "抽了", "queued": "排队", "forgotten": "清理",
}  # fmt: skip


def count_words(counts: dict[str, int]) -> str:
    """Return 开了 12，跳过 3; a count without words keeps its name."""
    return "，".join(f"{COUNTS.get(name, name)} {number:,}" for name, number in list(counts.items())[:4])
