"""The words of the room's codes, as task_types.yaml and followup_3369.yaml give them."""

from django.utils.translation import gettext_lazy as _

OUTCOMES = {
    "friend_added": _("加上好友了"), "replied": _("已回复"), "fit_ok": _("合身满意"), "fit_problem": _("要换要改"),
    "visit_booked": _("约到店"), "bought": _("成交了"), "no_reply": _("还没回"), "do_not_disturb": _("别再打扰"),
}  # fmt: skip
CALL_RESULTS = {"connected": _("接通"), "no_answer": _("未接"), "out_of_service": _("停机"), "refused": _("拒绝")}
LATER_REASONS = {
    "member_busy": _("客人在忙"), "agreed_later": _("约好再联系"), "waiting_goods": _("等到货"),
    "looking_up": _("要查一下"), "guide_busy": _("手上有客人"),
}  # fmt: skip
SKIP_WORDS = {
    "member_deleted": _("会员已注销"), "returned_full": _("已全额退货"), "repurchased": _("已复购·新一轮跟进"),
    "do_not_contact": _("会员要求勿扰"), "unsubscribed": _("已退订营销"), "complaint_open": _("售后处理中暂缓"),
    "aftersale_open": _("售后未结·已过期限"), "friend_lost": _("好友已删除"), "no_channel": _("无可用触达方式"),
    "member_cap": _("达到打扰上限"), "guide_cap": _("当日任务已满"), "late_data": _("订单到账过晚"),
    "manual": _("已批准跳过"), "rule_removed": _("规则已取消这一步"),
}  # fmt: skip
