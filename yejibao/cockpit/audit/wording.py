"""What an audit row says to people: each action in words, what it was about, and what changed."""

from collections.abc import Mapping
from typing import Any

from guides.org.actors import role_names
from tasks.cadences.publishing import LABELS

Names = Mapping[tuple[str, str], str]
RESOURCES = {
    "crm.Member": "会员", "guides.Staff": "员工", "guides.OrgUnit": "组织", "guides.Store": "门店", "guides.Dealer": "经销商",
    "tasks.Task": "任务", "tasks.SkipRequest": "跳过申请", "crm.Ticket": "售后单", "guides.Export": "导出", "guides.Approval": "申请",
    "crm.GuideHandover": "交接", "crm.MemberMerge": "会员合并", "crm.FriendLink": "好友", "crm.LinkReview": "好友判断",
    "crm.ContactWay": "加好友码", "crm.MemberRequest": "会员要求", "tasks.CadenceVersion": "规则版本",
    "tasks.Enrollment": "跟进周期", "core.OutboxMessage": "消息", "core.OutboxEvent": "系统通知", "core.SendingGate": "发送闸",
    "core.AuditEntry": "操作记录", "core.AuditSeal": "审计封存", "wecom.SyncRun": "同步", "wecom.InboxEntry": "回调", "tasks.StoreWeek": "门店周",
    "intake.Batch": "导入", "intake.RefusedRow": "导入错行", "intake.Source": "数据来源", "job": "后台任务", "core.KeyRotation": "密钥更换", "setting": "设置", "secret": "密钥",
    "crm.FriendTags": "好友标签",
}  # fmt: skip
FIELDS = {
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
    "birth_month": "生日月", "birth_day": "生日日", "id_number": "证件号", "address": "地址", "birth_year": "出生年",
}  # fmt: skip
VALUES = {
    "wecom": "企业微信", "password": "密码", "totp": "动态码", "open": "待办", "done": "已完成", "skipped": "已跳过", "active": "在职",
    "leave": "请假", "resigned": "离职", "disabled": "停用", "transferred": "调店中", "phone": "手机号", "address": "地址",
    "id_number": "证件号", "birth_year": "出生年", "auth.wrong_password": "账号或密码不对", "auth.not_staff": "没有这个员工",
    "auth.account_ended": "账号已停用", "auth.no_role": "没有岗位", "auth.state_gone": "登录过期", "auth.code_refused": "平台没认出",
    "new": "新建", "closed": "已关闭", "sms": "短信", "moments": "朋友圈", "group_send": "群发",
    "rest": "休息", "work": "上班", "privacy": "隐私政策", "live_matching": "直播观看匹配",
    "hq": "总部", "branch": "分公司", "region": "大区", "area": "区域", "store": "门店", "self_operated": "直营", "joint": "联营",
    "marketing": "接收营销信息", "profiling": "个性化推荐", "call": "电话", "members": "会员", "orders": "订单", "staff": "员工", "stores": "门店",
    "products": "商品", "stock": "库存", "created": "新增", "same": "没变", "changed": "有变动", "refused": "没接受",
    "signed_in": "本人登录小程序", "phone_code": "留存手机号收验证码", "called_back": "回拨留存手机号核对", "in_store": "到店出示证件",
    "copy": "要个人信息副本", "correct": "更正信息", "delete": "删除信息", "complaint": "投诉", "return": "退货", "exchange": "换货",
    "repair": "维修", "alteration": "改衣", "parked": "搁置", "unhandled": "没有部门认领", "waiting": "等待", "failed": "失败",
}  # fmt: skip
# Whose id stands under these keys, by what the model is called.
NAMED = {
    "owner_guide": "guides.Staff", "guide": "guides.Staff", "heir": "guides.Staff", "backup": "guides.Staff",
    "backup_guide_id": "guides.Staff", "duty_guide_id": "guides.Staff", "owner_id": "guides.Staff", "who": "guides.Staff",
    "on_behalf_of": "guides.Staff", "unit_id": "guides.OrgUnit", "parent_id": "guides.OrgUnit", "store": "guides.Store",
    "store_id": "guides.Store", "to_store_id": "guides.Store", "receiver_id": "guides.Store", "dealer_id": "guides.Dealer",
}  # fmt: skip
UNTOLD = {"path", "sha"}  # for machines: the parent and the file stand beside them


def facts_words(facts: dict[str, Any] | None, names: Names | None = None) -> str:
    """Return 岗位 店长，门店 龙湖店: what stands in before or after, in a line. A thing nobody could name goes by its number."""
    if not facts:
        return ""
    return "，".join(
        f"{field_words(key)} {_value(value, NAMED.get(key, ''), names or {})}"
        for key, value in facts.items()
        if value not in (None, "") and key not in UNTOLD
    )


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
            return VALUES.get(value) or FIELDS.get(value) or role_names().get(value) or value
    return names.get((named, str(value))) or (f"编号 {value}" if named else str(value))


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
