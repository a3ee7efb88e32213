"""What permissions, actions and reaches are called on the screens of 角色与权限."""

from dataclasses import dataclass

from . import matrix

# What each permission of the domain file lets one do, in the words of the screens.
PERMISSIONS = {
    "member.view_card": "看会员详情", "member.edit_tag": "改会员标签", "member.change_owner": "改会员归属",
    "member.export": "导出会员", "task.dispatch": "分派任务", "task.approve_skip": "审批跳过", "task.progress_view": "看任务进度",
    "template.edit": "改任务模板和规则", "script.publish": "发布话术", "material.publish": "发布素材",
    "campaign.create": "建活动", "campaign.approve": "审批活动", "coupon.create_batch": "建券批次", "coupon.issue": "发券",
    "points.adjust": "调积分", "stored_value.topup": "储值充值", "stored_value.refund": "储值退款", "order.proxy": "代客下单",
    "order.cashier": "开单收银", "stocktake.approve": "审批盘点", "patrol.do": "巡店", "patrol.self": "自主巡店",
    "rectification.check": "复查整改", "announcement.publish": "发公告", "announcement.approve_company": "审批全公司公告",
    "course.publish": "发布课程", "vote.create": "发起投票", "meeting.plan": "安排会议", "drive.keep": "管共享文件", "call_hq.ask": "呼叫总部", "call_hq.answer": "答复呼叫总部",
    "aftersale.first_reply": "售后首响", "aftersale.refund_approve": "审批售后退款", "live.plan": "排直播",
    "outfit.publish": "发布搭配", "outfit.propose": "投稿搭配", "model.config": "改模型参数", "kpi.set_target": "定目标",
    "cockpit.view": "看驾驶舱", "audit.view": "看审计记录", "account.manage": "管组织、账号和参数",
}  # fmt: skip

# What each action of access_matrix.yaml is.
ACTIONS = {
    "member.list": "会员名单", "member.view_card": "会员详情", "member.figures": "会员数字", "member.reveal": "看完整号码",
    "member.edit_tag": "改标签、写备注", "member.change_owner": "改会员归属", "member.change_owner_across": "跨店改会员归属",
    "member.consent": "记会员同意什么", "member.request": "办会员的查阅、更正、删除", "member.export": "导出会员",
    "member.export_phone": "导出会员（含手机号）", "followup.read": "看跟进任务", "followup.do": "做跟进任务",
    "followup.figures": "看任务进度", "task.dispatch": "分派任务", "task.urge": "催办", "review.talk": "记整改谈话",
    "template.propose": "提模板和话术建议", "coupon.create_batch": "建券批次", "coupon.issue": "发券", "coupon.cost": "券的成本",
    "stored_value.topup": "储值充值", "stored_value.read": "看储值", "stored_value.refund": "储值退卡",
    "stored_value.refund_ask": "申请储值退卡", "ledger.read": "看资金流水", "ledger.totals": "看资金合计",
    "order.cashier": "开单收银", "order.proxy": "代客下单", "promotion.keep": "定促销", "order.read": "看订单", "ticket.read": "看售后单",
    "ticket.first_reply": "售后首响", "ticket.refund_approve": "审批售后退款", "ticket.answer": "答复售后单", "ticket.check": "售后质检", "ticket.check_read": "看售后质检",
    "survey.read": "看顾客评价", "survey.figures": "看评价数字", "survey.reply": "回复顾客评价",
    "sales.figures": "看销售数字", "patrol.do": "巡店", "patrol.self": "自主巡店", "patrol.read": "看巡店报告",
    "attendance.read": "看打卡", "attendance.totals": "看出勤合计", "attendance.places": "定门店打卡地点",
    "worklog.read": "看工作日志", "announcement.publish": "发公告", "announcement.board": "看公告读没读", "announcement.urge": "催读公告",
    "call_hq.ask": "呼叫总部", "call_hq.answer": "答复呼叫总部", "vote.create": "发起投票", "meeting.plan": "安排会议",
    "drive.keep": "管共享文件", "outfit.publish": "管搭配库", "outfit.propose": "投稿搭配", "live.viewers": "看直播观众", "live.counts": "看直播人数", "audit.view": "看操作记录", "account.manage": "管组织、账号和参数",
    "stock.read": "查库存", "stock.reserve": "留货", "stock.transfer": "调货", "goods.edit": "定价格和商品资料", "item.code": "做一物一码",
    "visit.read": "看到店邀约", "visit.invite": "邀约到店", "visit.invite_group": "集体邀约", "visit.figures": "看邀约到成交的数字",
    "fitting.read": "看量身定制", "fitting.serve": "约量体、量体、跟进定制", "fitting.cancel_making": "取消制作中的定制", "fitting.plan": "定门店量体时段",
    "stocktake.read": "看盘点", "stocktake.create": "开盘点", "stocktake.approve": "审批盘点",
}  # fmt: skip
REACHES = {
    "own": "自己的", "store": "本店", "area": "本区域", "region": "本大区", "branch": "本分公司", "all": "全公司",
    "stores_owned": "名下门店",
}  # fmt: skip
# How a reach is narrowed; see the head of access_matrix.yaml.
NARROWED = {
    "ticket": "有售后单的", "own_kind": "本部门管的", "complaints": "投诉", "refunds": "退款", "late": "过了时限的", "ask": "要别人批",
    "no_phone": "不带手机号", "on_behalf": "代导购做", "logged": "看了有记录", "reveals": "看号码的", "campaigns": "活动的",
    "money": "钱的", "exceptions": "异常的", "count": "只有件数",
}  # fmt: skip


@dataclass(frozen=True)
class Reach:
    """One action as a role has it: 会员详情, 全公司, 有售后单的."""

    name: str
    reach: str
    only: str


def reaches_of(role: str) -> list[Reach]:
    """Return what a role may do with which rows, of the actions that exist already."""
    book = matrix.book()
    found = []
    for action in book["actions"]:
        right = matrix.rights(action).get(role)
        if right is not None and action not in book["later"]:
            name, only = ACTIONS.get(action, action), NARROWED.get(right.only, right.only)
            found.append(Reach(name, REACHES[right.reach], only))
    return found


# role_rules of the domain file, as people read them.
RULES = (
    "一个人可以有几个岗位；能看什么是各岗位加在一起，菜单一次只按一个岗位显示（切换身份）。",
    "店长替导购做的事，记的是店长做、代导购做。",
    "临时支援按起止日期多一家店，到期自己结束。",
    "谁也不能批自己的申请，谁也不能改自己的岗位。",
    "手机号点开才显示全号，每次都记；一天超过 50 次会报警。",
    "导出一次最多 5,000 行，带姓名和时间水印；带手机号的要两个人批。",
)
