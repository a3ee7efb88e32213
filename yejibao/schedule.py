"""What beats when. Upserted into django-celery-beat by name, never wiped: HQ may switch an entry off or change its time."""

import json
from dataclasses import dataclass, field
from typing import Any

TZ = "Asia/Shanghai"


@dataclass(frozen=True)
class Entry:
    """One periodic job: every so many seconds, or at a wall-clock time in Shanghai (cron)."""

    name: str
    job: str
    seconds: int = 0
    cron: dict[str, str] = field(default_factory=dict)
    queue: str = "default"


def daily(hour: int, minute: int = 0, **rest: str) -> dict[str, str]:
    return {"hour": str(hour), "minute": str(minute)} | rest


ENTRIES = (
    Entry("心跳", "yejibao.core.jobs.heartbeat", seconds=15),
    Entry("看健康", "yejibao.core.jobs.watch_health", seconds=60),
    Entry("看密钥换没换", "yejibao.core.jobs.notice_secrets", seconds=600),
    Entry("跟进引擎", "tasks.followups.jobs.open_due_tasks", seconds=30),
    Entry("群发和朋友圈", "yejibao.wecom.mass.jobs.go_on_with_mass_sends", seconds=30),
    Entry("回调收件箱", "yejibao.wecom.inbox.jobs.work_inbox", seconds=30),
    Entry("微信支付", "yejibao.wechatpay.jobs.go_on_with_payments", seconds=5),
    Entry("没付的单", "crm.orders.checkout.jobs.close_expired_sales", seconds=60),
    Entry("规则发布后重算", "tasks.cadences.jobs.recompute_hands", seconds=30),
    Entry("复盘数字", "tasks.review.jobs.refresh_days", seconds=60),
    Entry("读好友变动", "crm.friends.jobs.read_changed_friends", seconds=30),
    Entry("加好友码", "crm.friends.jobs.make_codes", seconds=60),
    Entry("企微客户标签", "crm.corptags.jobs.settle_chat_tags", seconds=15),
    Entry("企微标签组", "crm.corptags.jobs.bring_tag_groups", seconds=60),
    Entry("导出", "guides.exports.jobs.make_exports", seconds=30),
    Entry("清理导出文件", "guides.exports.jobs.forget_exports", seconds=600),
    Entry("好友同步", "crm.friends.jobs.go_on_with_sync", seconds=60),
    Entry("找新好友", "crm.friends.jobs.look_for_new_friends", cron={"minute": "40"}),
    Entry("数据接入", "yejibao.intake.jobs.go_on_with_batches", seconds=15),
    Entry("接入对账", "yejibao.intake.jobs.count_days", seconds=600),
    Entry("员工同步", "guides.org.jobs.go_on_with_people_sync", seconds=60),
    Entry("调店生效", "guides.org.jobs.move_staff", seconds=600),
    Entry("售后单代办", "crm.aftersale.jobs.cover_tickets", cron=daily(0, 15)),
    Entry("量体预约收尾", "crm.tailoring.jobs.look_after_fittings", cron=daily(0, 25)),
    Entry("售后超时升级", "crm.aftersale.jobs.pass_up_late", seconds=60),
    Entry("衣服没人来取", "crm.aftersale.jobs.tell_of_unclaimed", cron=daily(9, 40)),
    Entry("售后质检抽单", "crm.aftersale.jobs.draw_checks", cron=daily(8, 20, day_of_week="1")),
    Entry("投诉标签到期重算", "crm.aftersale.jobs.age_complaint_tags", cron=daily(3, 25, day_of_week="1"), queue="nightly"),
    Entry("售后无回音自动办结", "crm.aftersale.jobs.close_silent", seconds=3600),
    Entry("请会员评价", "crm.surveys.jobs.ask_for_surveys", seconds=600),
    Entry("评价标签到期重算", "crm.surveys.jobs.age_survey_tags", cron=daily(3, 20, day_of_week="1"), queue="nightly"),
    Entry("工作日志", "guides.worklog.jobs.ask_for_logs", cron={"minute": "*/10"}),
    Entry("节假日", "guides.attendance.jobs.seed_holidays", cron=daily(3, 40), queue="nightly"),
    Entry("过期的申请", "guides.approvals.jobs.end_old_approvals", seconds=600),
    Entry("公告", "guides.announcements.jobs.go_on_with_announcements", seconds=30),
    Entry("公告告诉新来的人", "guides.announcements.jobs.tell_newcomers", seconds=300),
    Entry("每周自主巡店", "tasks.duties.jobs.open_self_patrols", cron=daily(9, 30, day_of_week="1,2")),
    Entry("过期的店务", "tasks.duties.jobs.expire_duties", seconds=600),
    Entry("呼叫总部催答", "guides.helpdesk.jobs.ring_the_next", seconds=60),
    Entry("呼叫总部结束", "guides.helpdesk.jobs.close_unrated", seconds=600),
    Entry("发选票", "guides.votes.jobs.hand_out_ballots", seconds=30),
    Entry("会议通知", "guides.meetings.jobs.tell_attendees", seconds=30),
    Entry("会议提醒", "guides.meetings.jobs.remind_attendees", seconds=60),
    Entry("企微会议", "guides.meetings.jobs.make_calls", seconds=30),
    Entry("会议出席", "guides.meetings.jobs.count_joined", seconds=600),
    Entry("读微盘", "guides.drive.jobs.read_spaces", cron=daily(6, 40)),
    Entry("消息收尾", "tasks.followups.jobs.settle_notifications", seconds=900),
    Entry("整改跟进", "guides.patrol.rectify.jobs.follow_rectifications", seconds=600),
    Entry("巡店统计", "guides.patrol.figures.jobs.count_patrols", seconds=60),
    Entry("巡店提醒", "guides.patrol.reminders.jobs.remind_of_patrols", cron=daily(8, 50), queue="nightly"),
    Entry("巡店统计夜间重算", "guides.patrol.figures.jobs.count_patrols_again", cron=daily(4, 30), queue="nightly"),
    Entry("离职交接", "crm.members.jobs.apply_handovers", seconds=600),
    Entry("好友转接", "crm.members.jobs.pass_on_friends", seconds=600),
    Entry("店长每日清单", "tasks.review.jobs.send_daily_lists", cron={"minute": "*/10", "hour": "9-12"}),
    Entry("区长每周清单", "tasks.review.jobs.send_weekly_lists", cron={"minute": "*/10", "hour": "10-12", "day_of_week": "1"}),
    Entry("每周抽查", "tasks.followups.jobs.sample_spot_checks", cron=daily(8, 30, day_of_week="1")),
    Entry("会员消费统计", "crm.scoring.jobs.recount_members_nightly", cron={"hour": "2", "minute": "*/10"}, queue="nightly"),
    Entry("会员等级到期", "crm.scoring.jobs.settle_levels_nightly", cron=daily(1, 30), queue="nightly"),
    Entry("631 分层", "crm.scoring.jobs.rank_tiers_monthly", cron={"hour": "3-5", "minute": "30", "day_of_month": "1"},
          queue="nightly"),
    Entry("集体邀约", "crm.visits.jobs.plan_groups", seconds=30),
    Entry("邀约留货和到点", "crm.visits.jobs.follow_visits", seconds=600),
    Entry("代客单跟进", "crm.orders.proxy.jobs.follow_proxy_orders", seconds=60),
    Entry("盘点过期", "crm.catalogue.stocktake.jobs.end_old_stocktakes", seconds=1800),
    Entry("按人群发券", "crm.benefits.jobs.issue_coupons", seconds=30),
    Entry("券到期", "crm.benefits.jobs.end_coupons", seconds=600),
    Entry("积分到期", "crm.benefits.jobs.end_points", cron=daily(0, 40), queue="nightly"),
    Entry("生日券", "crm.benefits.jobs.give_birthdays", cron=daily(1, 10), queue="nightly"),
    Entry("积分对账", "crm.benefits.jobs.prove_points_nightly", cron=daily(4, 20), queue="nightly"),
    Entry("到期提醒", "crm.benefits.jobs.tell_endings", cron=daily(9, 5)),
    Entry("留货和调货到期", "crm.catalogue.jobs.end_promises", seconds=60),
    Entry("商品标签", "crm.catalogue.jobs.compute_product_tags", cron=daily(3, 25), queue="nightly"),
    Entry("复盘数字夜间重建", "tasks.review.jobs.rebuild_days", cron=daily(4, 10), queue="nightly"),
    Entry("话术使用统计", "tasks.scripts.jobs.count_script_uses", cron=daily(3, 10), queue="nightly"),
    Entry("按会员要求清除", "crm.privacy.jobs.forget_members_nightly", cron=daily(3, 50), queue="nightly"),
    Entry("到期清除", "crm.privacy.jobs.forget_worn_out", cron=daily(6, 0), queue="nightly"),
    Entry("守恒核对", "tasks.cadences.jobs.prove_conservation", cron=daily(4, 40), queue="nightly"),
    Entry("清理发件箱", "yejibao.core.jobs.tidy_outbox", cron=daily(5, 30), queue="nightly"),
    Entry("清理没用上的文件", "yejibao.core.jobs.tidy_files", cron=daily(5, 35), queue="nightly"),
    Entry("清理回调收件箱", "yejibao.wecom.inbox.jobs.tidy_inbox", cron=daily(5, 20), queue="nightly"),
    Entry("没确认的充值到期", "crm.wallet.jobs.expire_old_top_ups", seconds=60),
    Entry("储值日结和核对", "crm.wallet.jobs.prove_ledger_nightly", cron=daily(0, 40), queue="nightly"),
    Entry("清理支付通知", "yejibao.wechatpay.jobs.tidy_notices", cron=daily(5, 25), queue="nightly"),
    Entry("微信账单对账", "crm.finance.jobs.reconcile_days", cron={"hour": "10-23", "minute": "30"}),
    Entry("夜间员工对账", "guides.org.jobs.start_nightly_people_sync", cron=daily(0, 50), queue="nightly"),
    Entry("夜间好友对账", "crm.friends.jobs.start_nightly_sync", cron=daily(1, 10), queue="nightly"),
    Entry("夜间标签对账", "crm.corptags.jobs.start_nightly_tag_sync", cron=daily(2, 20), queue="nightly"),
    Entry("加好友码对人", "crm.friends.jobs.follow_codes", cron=daily(6, 20), queue="nightly"),
    Entry("标签满一年", "crm.tags.jobs.age_filled_tags", cron=daily(4, 20), queue="nightly"),
    Entry("清理卡片点击", "tasks.followups.jobs.forget_old_clicks", cron=daily(5, 40), queue="nightly"),
    Entry("审计封存", "yejibao.core.jobs.seal_audit", cron=daily(0, 20), queue="nightly"),
    Entry("清理到期审计", "yejibao.core.jobs.thin_audit", cron=daily(5, 0), queue="nightly"),
    Entry("清理消息", "guides.notices.jobs.forget_notifications", cron=daily(5, 50), queue="nightly"),
    Entry("数据质量", "crm.quality.jobs.check_quality", cron={"hour": "4-5", "minute": "*/10"}, queue="nightly"),
    Entry("清理接入", "yejibao.intake.jobs.tidy_intake", cron=daily(5, 45), queue="nightly"),
    Entry("还没打卡提醒", "guides.attendance.clockin.jobs.remind_absent", cron={"minute": "*/5", "hour": "9-21"}),
    Entry("缺卡", "guides.attendance.clockin.jobs.close_days", cron={"minute": "15", "hour": "0,22,23"}),
    Entry("取企业微信打卡", "guides.attendance.clockin.jobs.pull_check_ins", seconds=60),
    Entry("打卡位置变粗", "guides.attendance.clockin.jobs.coarsen_places", cron=daily(5, 35), queue="nightly"),
    Entry("清理会话", "guides.org.jobs.purge_sessions", cron=daily(5, 10), queue="nightly"),
    Entry("清理会员会话", "crm.portal.jobs.purge_member_sessions", cron=daily(5, 15), queue="nightly"),
)  # fmt: skip


def install(entries: tuple[Entry, ...] = ENTRIES) -> int:
    """Create the entries that are missing and bring the job and queue of the others up to date. Returns how many exist."""
    from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

    for entry in entries:
        facts: dict[str, Any] = {"task": entry.job, "queue": entry.queue, "kwargs": json.dumps({})}
        if entry.seconds:
            when = {"interval": IntervalSchedule.objects.get_or_create(every=entry.seconds, period="seconds")[0]}
            # A beat that lies in the queue longer than its pause has been overtaken by the next.
            facts["expire_seconds"] = max(10, entry.seconds)
        else:
            when = {
                "crontab": CrontabSchedule.objects.get_or_create(
                    timezone=TZ, **({"minute": "0", "hour": "*"} | entry.cron)
                )[0]
            }
        task, created = PeriodicTask.objects.get_or_create(name=entry.name, defaults=facts | when)
        if not created:
            PeriodicTask.objects.filter(pk=task.pk).update(**facts)
    return len(entries)
