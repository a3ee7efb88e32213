"""What an audit row says to people: each action in words, what it was about, and what changed."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist

from crm.aftersale.rules import rules
from guides.approvals.rules import kinds
from guides.org.actors import role_names
from tasks.cadences.publishing import LABELS
from yejibao.core import clock, words

Names = Mapping[tuple[str, str], str]
RESOURCES = {
    "crm.Member": "会员", "guides.Staff": "员工", "guides.OrgUnit": "组织", "guides.Store": "门店", "guides.Dealer": "经销商",
    "tasks.Task": "任务", "crm.ReplyTemplate": "常用答复", "tasks.SkipRequest": "跳过申请", "crm.Ticket": "售后单", "guides.Export": "导出", "guides.Approval": "申请",
    "crm.GuideHandover": "交接", "crm.MemberMerge": "会员合并", "crm.FriendLink": "好友", "crm.LinkReview": "好友判断",
    "crm.ContactWay": "加好友码", "crm.MemberRequest": "会员要求", "tasks.CadenceVersion": "规则版本",
    "tasks.Enrollment": "跟进周期", "core.OutboxMessage": "消息", "core.OutboxEvent": "系统通知", "core.SendingGate": "发送闸",
    "core.AuditEntry": "操作记录", "core.AuditSeal": "审计封存", "wecom.SyncRun": "同步", "wecom.InboxEntry": "回调", "tasks.StoreWeek": "门店周",
    "intake.Batch": "导入", "intake.RefusedRow": "导入错行", "intake.Source": "数据来源", "job": "后台任务", "core.KeyRotation": "密钥更换", "setting": "设置", "secret": "密钥",
    "crm.FriendTags": "好友标签", "guides.Announcement": "公告", "guides.ClockCorrection": "补卡", "guides.LeaveRequest": "请假",
    "guides.ShiftTime": "班次", "guides.Holiday": "节假日", "guides.DriveFile": "共享文件", "guides.DriveFolder": "共享文件夹",
    "guides.HqCall": "呼叫总部", "guides.HelpCategory": "呼叫总部分类", "guides.Meeting": "会议", "guides.Vote": "投票",
    "guides.Visit": "巡店", "guides.Finding": "整改", "guides.WorkLog": "工作日志", "guides.WorkLogTemplate": "日志模板", "tasks.Duty": "店务", "crm.Outfit": "搭配", "crm.LookShare": "发出的穿搭", "crm.Exchange": "换货", "crm.CareSlip": "护理单", "crm.Survey": "评价",
    "crm.RefundEnding": "卡住的退款", "crm.Visit": "到店邀约", "crm.VisitGroup": "集体邀约", "crm.Fitting": "定制", "crm.MemberMeasure": "尺码档案",
    "crm.Sale": "收银单", "crm.SaleRefund": "退货退款", "crm.ProxyOrder": "代客单", "crm.Promotion": "促销", "crm.Order": "订单",
    "crm.Wallet": "储值卡", "crm.TopUp": "充值", "crm.CardRefund": "退卡", "crm.CardHolder": "储值实名登记", "crm.Transfer": "储值流水",
    "crm.Coupon": "券", "crm.CouponBatch": "券批次", "crm.CouponTemplate": "券模板", "crm.CouponIssue": "发券", "crm.PointsEntry": "积分",
    "crm.BenefitUse": "等级权益", "crm.StyleColor": "商品", "crm.StylePrice": "商品价格", "crm.ItemCode": "一物一码", "crm.ItemBatch": "一物一码",
    "crm.Reservation": "留货", "crm.TransferRequest": "调货", "crm.Stocktake": "盘点", "crm.FinanceDay": "对账日", "crm.Break": "对账差异",
    "crm.ServiceCheck": "售后质检", "crm.MemberSession": "会员登录", "crm.FittingDay": "量体时段", "crm.FittingPlan": "量体时段",
    "wechatpay.PayOrder": "微信支付单", "wechatpay.PayRefund": "微信退款", "wechatpay.PayNotice": "微信支付通知",
    "guides.ClockRecord": "打卡", "guides.StoreFence": "打卡点", "guides.StoreWifi": "打卡 Wi-Fi", "guides.LocationConsent": "打卡取位置",
    "guides.OrgUnitMove": "组织调整", "guides.StoreChange": "调店", "guides.RoleAssignment": "岗位", "guides.Shift": "排班",
}  # fmt: skip
FIELDS = {
    "price_fen": "价格（分）", "deposit_fen": "定金（分）",
    "added": "加了", "amount_fen": "金额（分）", "batch": "批次", "by": "谁", "by_member": "会员本人", "card_fen": "储值（分）", "conditions": "条件",
    "counters": "清点的人", "difference_fen": "差异（分）", "discount_fen": "优惠（分）", "due_fen": "应付（分）", "error": "出错", "given": "给了",
    "has_shown_code": "出示了会员码", "id_last4": "证件尾号", "limit": "上限", "lines": "行", "movements": "库存变动", "nth": "第几次", "paid_by": "付款方式",
    "paid_fen": "实付（分）", "quantity": "件数", "removed": "拿掉了", "round": "第几轮", "scans": "扫了几次", "size": "尺码", "sku": "商品",
    "staff": "同事", "stage": "由谁处理", "stars": "几星", "stock": "库存", "subject": "关于", "taken": "取走", "terms": "条款版本", "transfer": "流水",
    "vouchers": "凭证", "ways": "付款方式", "zone": "区域",
    "state": "状态", "role": "岗位", "unit_id": "组织", "unit": "组织", "way": "方式", "code": "原因", "name": "名字", "title": "标题",
    "owner_guide": "专属导购", "guide": "导购", "to": "转给", "from": "从", "reason": "原因", "kind": "种类", "count": "数量", "rows": "行数",
    "list": "名单", "what": "范围", "with_phone": "含手机号", "rows_today": "今天累计行数", "ids": "名单里的人", "where": "哪里",
    "store": "门店", "store_id": "门店", "to_store_id": "去的门店", "wecom_user_id": "企业微信账号", "version": "版本", "level": "级别",
    "path": "位置", "parent": "上级", "week": "周", "order": "订单", "accepted": "是否认可", "member": "会员", "groups": "标签组",
    "people": "人数", "starts_on": "从哪天", "ends_on": "到哪天", "phone": "手机号", "field": "看的是", "taps": "次数", "step": "第几步",
    "key": "对象", "deleted": "删除", "left": "剩下", "channel": "渠道", "who": "谁", "days": "哪几天", "about": "对什么", "group": "哪类", "device": "设备", "moved": "交出",
    "departments": "部门", "heir": "接手人", "backup": "代办人", "digest": "校验码", "at": "时间", "opened_on": "开业", "closed_on": "关店",
    "do_not_contact": "请勿打扰", "marketing_opt_out": "不收的渠道", "phone_consent": "电话许可", "seconds": "秒数", "is_well": "是否通过",
    "along": "一起交出", "answer": "判断", "contract_until": "合同到期", "created": "新增", "changed": "有变动", "enabled": "是否启用",
    "fields": "改了", "file": "文件", "filled": "补上", "first": "从第几条", "last": "到第几条", "friends": "好友", "gone": "被合并的编号",
    "kept": "留下的编号", "has_phone": "有没有手机号", "ip": "网络地址", "is_set": "有没有值", "kinds": "种类", "members": "会员",
    "members_waiting": "影响会员", "changes": "改动", "minutes": "分钟", "number": "第几次改", "on_behalf_of": "替谁", "outcome": "结果",
    "parent_id": "上级", "pickup_at": "取衣时间", "plan": "怎么交", "proof": "怎么核实的", "proposed": "建议", "receiver_id": "接手的门店",
    "rows_done": "已处理行数", "source": "来源", "starts_at": "从什么时候", "states": "哪些状态", "valid_to": "到哪天", "value": "值",
    "display_name": "称呼", "backup_guide_id": "代办人", "digest_minute": "每天提醒的时间", "joined_on": "入职",
    "short_name": "简称", "grade": "等级", "dealer_id": "经销商", "area_m2": "面积", "decoration_version": "装修版本", "city": "城市",
    "address_short": "地址", "opens_at": "开门", "closes_at": "关门", "duty_guide_id": "值班导购",
    "label": "叫法", "posts_per_minute": "每分钟次数", "rows_per_day": "每天行数", "tells_counts": "对不对数", "owner_id": "负责人",
    "anonymous": "是否匿名", "back_on": "哪天回来", "bssid": "无线网", "day": "哪天", "findings": "问题", "late": "是否迟交", "main_store": "主门店",
    "on_time": "是否按时", "open": "是否开着", "options": "选项", "owner": "谁来改", "roles": "岗位", "score": "得分", "side": "上班还是下班",
    "is_open": "给大家用", "served_by": "哪位客服", "pieces": "几件", "points": "分数", "ticket": "售后单", "coverage": "费用怎么算", "promised_on": "答应的日子", "signed": "是否签字",
    "refund": "退款", "how": "怎么处理", "payout_ref": "流水号", "was": "原来", "birth_month": "生日月", "birth_day": "生日日", "id_number": "证件号", "address": "地址", "birth_year": "出生年",
}  # fmt: skip
VALUES = {
    "wecom": "企业微信", "password": "密码", "totp": "动态码", "open": "待办", "done": "已完成", "skipped": "已跳过", "active": "在职",
    "leave": "请假", "resigned": "离职", "disabled": "停用", "transferred": "调店中", "phone": "手机号", "address": "地址", "parcel": "收货地址",
    "id_number": "证件号", "birth_year": "出生年", "auth.wrong_password": "账号或密码不对", "auth.not_staff": "没有这个员工",
    "auth.account_ended": "账号已停用", "auth.no_role": "没有岗位", "auth.state_gone": "登录过期", "auth.code_refused": "平台没认出",
    "new": "新建", "closed": "已关闭", "sms": "短信", "moments": "朋友圈", "group_send": "群发",
    "rest": "休息", "work": "上班", "privacy": "隐私政策", "live_matching": "直播观看匹配",
    "hq": "总部", "branch": "分公司", "region": "大区", "area": "区域", "store": "门店", "self_operated": "直营", "joint": "联营",
    "marketing": "接收营销信息", "profiling": "个性化推荐", "call": "电话", "members": "会员", "orders": "订单", "staff": "员工", "stores": "门店",
    "products": "商品", "stock": "库存", "created": "新增", "same": "没变", "changed": "有变动", "refused": "没接受",
    "signed_in": "本人登录小程序", "phone_code": "留存手机号收验证码", "called_back": "回拨留存手机号核对", "in_store": "到店出示证件",
    "copy": "要个人信息副本", "correct": "更正信息", "delete": "删除信息", "complaint": "投诉", "return": "退货", "exchange": "换货",
    "basic": "基础护理", "included": "随衣赠送", "free_care": "会员免费洗护", "free_alteration": "免费改一次", "warranty": "质量问题", "ours": "我们弄坏的",
    "compensation": "赔付", "cash": "现金", "card": "刷卡", "wallet": "储值卡",
    "repair": "维修", "alteration": "改衣", "parked": "搁置", "unhandled": "没有部门认领", "waiting": "等待", "failed": "失败",
}  # fmt: skip
# Whose id stands under these keys, by what the model is called.
NAMED = {
    "owner_guide": "guides.Staff", "guide": "guides.Staff", "served_by": "guides.Staff", "owner": "guides.Staff", "main_store": "guides.Store", "heir": "guides.Staff", "backup": "guides.Staff",
    "backup_guide_id": "guides.Staff", "duty_guide_id": "guides.Staff", "owner_id": "guides.Staff", "who": "guides.Staff",
    "on_behalf_of": "guides.Staff", "unit_id": "guides.OrgUnit", "parent_id": "guides.OrgUnit", "store": "guides.Store",
    "member": "crm.Member", "store_id": "guides.Store", "to_store_id": "guides.Store", "receiver_id": "guides.Store", "dealer_id": "guides.Dealer",
}  # fmt: skip
UNTOLD = {"path", "sha"}  # for machines: the parent and the file stand beside them


def facts_words(facts: dict[str, Any] | None, names: Names | None = None, resource: str = "") -> str:
    """Return 岗位 店长，门店 龙湖店: what stands in before or after, in a line. A thing nobody could name goes by its number.

    `resource` is what the act was about, whose own columns say what their codes mean.
    """
    if not facts:
        return ""
    return "，".join(
        f"{field_words(key)} {_labels(resource, key).get(str(value)) or _value(value, NAMED.get(key, ''), names or {})}"
        for key, value in facts.items()
        if value not in (None, "", []) and key not in UNTOLD
    )


@cache
def _labels(resource: str, key: str) -> Mapping[str, str]:
    """Return what the codes of a column are called where people choose them."""
    if (resource, key) == ("crm.Ticket", "state"):
        return rules().states
    try:
        field = apps.get_model(resource)._meta.get_field(key)
    except (LookupError, ValueError, FieldDoesNotExist):
        return {}
    return {str(code): str(label) for code, label in getattr(field, "flatchoices", ())}


def field_words(key: str) -> str:
    """Return what stands before a value; a day says itself, a column of a rule has its words where rules are made."""
    if key[:4].isdecimal():
        return key
    return FIELDS.get(key) or str(LABELS.get(key, "")) or "其他"


def _value(value: Any, named: str, names: Names) -> str:
    match value:
        case bool():
            return "是" if value else "否"
        case list():
            return f"{len(value)} 个" if len(value) > 3 else "、".join(_value(one, named, names) for one in value)
        case dict() if all(isinstance(one, int) for one in value.values()):  # rows by table
            return str(sum(value.values()))
        case dict():
            return f"（{facts_words(value, names)}）"
        case str() if not (named and value.isdecimal()):
            known = VALUES.get(value) or FIELDS.get(value) or role_names().get(value) or _asked_for(value)
            return known or _moment(value) or value
    return names.get((named, str(value))) or (f"编号 {value}" if named else str(value))


def _moment(text: str) -> str:
    """Return 2026-11-25 16:30 of what is an instant; empty for any other text."""
    if len(text) < 19 or text[10:11] != "T":
        return ""
    try:
        at = clock.parse_iso(text)
    except ValueError:
        return ""
    return f"{clock.local_day(at)} {words.clock_time(at)}"


def _asked_for(kind: str) -> str:
    """Return what a kind of request is called: 导出会员名单."""
    return kinds()[kind].label if kind in kinds() else ""


def named_in(facts: dict[str, Any] | None) -> set[tuple[str, str]]:
    """Return (table, id) of the people, units and stores that before or after names by their id."""
    return {
        (NAMED[key], str(value)) for key, value in (facts or {}).items()
        if key in NAMED and isinstance(value, int | str) and str(value).isdecimal() and len(str(value)) < 19
    }  # fmt: skip


def scope_words(scope: str) -> str:
    """Return how far the role reached."""
    if not scope:
        return ""
    return {"all": "全公司", "self": "本人"}.get(scope, "名下门店" if scope.startswith("stores:") else "所在组织")
