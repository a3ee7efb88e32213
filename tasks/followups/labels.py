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
    "manual": _("已批准跳过"), "rule_removed": _("规则已取消这一步"), "visit_settled": _("到店的事已经有结果"),
}  # fmt: skip
# Kinds that end by a tap on the page of what they are about: no words are sent from them, and nothing of the way to him matters.
ON_ITS_PAGE = ("visit_confirm",)
ON_ITS_PAGE_SQL = ", ".join(f"'{kind}'" for kind in ON_ITS_PAGE)
REFUSALS = {  # what a guide is told when a rule holds at the moment of sending
    "member_deleted": "他的会员已注销，这件事取消了",
    "returned_full": "这单他全退了，这件事取消了",
    "repurchased": "他刚又来买了，新一轮跟进马上就到，这条先别发",
    "do_not_contact": "他说过别再打扰，这件事不用做了",
    "unsubscribed": "他退订了营销消息，这件事不用做了",
    "complaint_open": "他还有售后没办完，先别谈搭配，办完两天后再放出来",
    "friend_pending": "好友还在转给你，对方没拒绝的话，24 小时内就能发",
    "friend_lost": "他已经不是你的好友，这件事不用做了",
    "no_channel": "他不是你的好友，也没同意接电话，这件事不用做了",
    "call_instead": "他现在不是你的好友，改成打电话问候",
    "add_friend": "他还不是你的好友，先当面加上",
    "contacted_today": "今天已经联系过他，一天只打扰一次",
    "contacted_week": "这 7 天已经联系过他两次，先缓一缓",
    "contacted_month": "这 30 天给他发的推荐够多了，先缓一缓",
    "cap_shifts": "，帮你挪到明天 %(opens)s",
    "cap_skips": "，这件事不用做了",
}
