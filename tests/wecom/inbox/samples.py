"""One callback of each kind, with the fields of the platform's documentation (wecom-api §3)."""

from typing import Any

CORP = "ww5a9db0c0de5a9db0"
AGENT = 1000002
AT = 1_764_000_000  # 2025-11-24 16:00:00 UTC


def element(name: str, value: Any) -> str:
    if isinstance(value, dict):
        return f"<{name}>{''.join(element(key, inner) for key, inner in value.items())}</{name}>"
    if isinstance(value, list):
        return "".join(element(name, one) for one in value)
    if isinstance(value, int):
        return f"<{name}>{value}</{name}>"
    return f"<{name}><![CDATA[{value}]]></{name}>" if value else f"<{name}></{name}>"


def message(fields: dict[str, Any], *, at: int = AT, sender: str = "sys", agent: int | None = None) -> str:
    """Return the XML of an event."""
    agent_id = {} if agent is None else {"AgentID": agent}
    facts = {"ToUserName": CORP, "FromUserName": sender, "CreateTime": at, "MsgType": "event"} | fields | agent_id
    return element("xml", facts)


PAIR = {"UserID": "Lan.Chen", "ExternalUserID": "wmEAlECwAAHrbWYDetiw3TfZLtmbUvtA"}
CUSTOMER = {"Event": "change_external_contact"}
CONTACT = {"Event": "change_contact"}
CHAT = {"Event": "change_external_chat", "ChatId": "wrOgQhDgAAMYQiS5ol9G7gK9JVAAAA"}
TAG = {"Event": "change_external_tag"}
LINK = {"Event": "customer_acquisition", "LinkId": "cawcde2f5c5e4f8a7e"}

# kind -> (fields, sender, carries the agent's id)
KINDS: dict[str, tuple[dict[str, Any], str, bool]] = {
    **{
        f"change_external_contact/{change}": (CUSTOMER | {"ChangeType": change} | PAIR | more, "sys", False)
        for change, more in {
            "add_external_contact": {"State": "s-guide-7", "WelcomeCode": "WELCOMECODE-1"},
            "add_half_external_contact": {"State": "s-guide-7", "WelcomeCode": "WELCOMECODE-2"},
            "edit_external_contact": {},
            "del_external_contact": {"Source": "DELETE_BY_TRANSFER"},
            "del_follow_user": {},
            "transfer_fail": {"FailReason": "customer_refused"},
            "msg_audit_approved": {"WelcomeCode": "WELCOMECODE-3"},
        }.items()
    },
    "change_external_chat/create": (CHAT | {"ChangeType": "create"}, "sys", False),
    "change_external_chat/update": (
        CHAT
        | {
            "ChangeType": "update", "UpdateDetail": "add_member", "JoinScene": 3, "MemChangeCnt": 2,
            "MemChangeList": {"Item": ["Jack", "wmEAlECwAAHrbWYDetiw3TfZLtmbUvtA"]},
            "LastMemVer": "9c3f97c2ada667dfb5f6d03308d963e1", "CurMemVer": "71217227bbd112ecfe3a49c482195cb4",
        },
        "sys", False,
    ),
    "change_external_chat/dismiss": (CHAT | {"ChangeType": "dismiss"}, "sys", False),
    "change_external_tag/create": (TAG | {"Id": "etEAlECwAA1", "TagType": "tag", "ChangeType": "create"}, "sys", False),
    "change_external_tag/update": (TAG | {"Id": "etEAlECwAA1", "TagType": "tag", "ChangeType": "update"}, "sys", False),
    "change_external_tag/delete": (
        TAG | {"Id": "etEAlECwAAG", "TagType": "tag_group", "ChangeType": "delete", "StrategyId": 1}, "sys", False,
    ),
    "change_external_tag/shuffle": (TAG | {"Id": "", "ChangeType": "shuffle"}, "sys", False),
    **{
        f"customer_acquisition/{change}": (LINK | {"ChangeType": change} | more, "sys", False)
        for change, more in {
            "balance_low": {}, "balance_exhausted": {}, "balance_increased": {},
            "quota_expire_soon": {"ExpireTime": AT, "ExpireQuotaNum": 100}, "link_unavailable": {}, "delete_link": {},
            "open_profile": {"State": "a"}, "friend_request": {"State": "a"}, "customer_start_chat": PAIR,
            "message_from_customer": {"ChatKey": "CHATKEY"},
        }.items()
    },
    "change_contact/create_user": (
        CONTACT
        | {
            "ChangeType": "create_user", "UserID": "Zhang.San", "Name": "张三", "Department": "1,2,3", "MainDepartment": 1,
            "IsLeaderInDept": "1,0,0", "Mobile": "13800000000", "Position": "店长", "Gender": 1, "Status": 1,
            "ExtAttr": {"Item": [{"Name": "爱好", "Type": 0, "Text": {"Value": "旅游"}}]},
        },
        "sys", False,
    ),
    "change_contact/update_user": (
        CONTACT | {"ChangeType": "update_user", "UserID": "Zhang.San", "NewUserID": "Zhang.San01", "Department": "2"},
        "sys", False,
    ),
    "change_contact/delete_user": (CONTACT | {"ChangeType": "delete_user", "UserID": "Zhang.San"}, "sys", False),
    "change_contact/create_party": (
        CONTACT | {"ChangeType": "create_party", "Id": 2, "Name": "徐家汇店", "ParentId": 1, "Order": 1}, "sys", False,
    ),
    "change_contact/update_party": (
        CONTACT | {"ChangeType": "update_party", "Id": 2, "ParentId": 1}, "sys", False,
    ),
    "change_contact/delete_party": (CONTACT | {"ChangeType": "delete_party", "Id": 9}, "sys", False),
    "change_contact/update_tag": (
        CONTACT
        | {
            "ChangeType": "update_tag", "TagId": 1, "AddUserItems": "ZhangSan,LiSi", "DelUserItems": "Jack",
            "AddPartyItems": "1,2", "DelPartyItems": "3",
        },
        "sys", False,
    ),
    "subscribe": ({"Event": "subscribe", "EventKey": ""}, "Lan.Chen", True),
    "unsubscribe": ({"Event": "unsubscribe", "EventKey": ""}, "Lan.Chen", True),
    "enter_agent": ({"Event": "enter_agent", "EventKey": ""}, "Lan.Chen", True),
    "location": (
        {"Event": "LOCATION", "Latitude": "23.104", "Longitude": "113.320", "Precision": "65.000", "AppType": "wxwork"},
        "Lan.Chen", True,
    ),
    "click": ({"Event": "click", "EventKey": "TODAY"}, "Lan.Chen", True),
    "view": ({"Event": "view", "EventKey": "https://yejibao.example/g/today/"}, "Lan.Chen", True),
    "view_miniprogram": ({"Event": "view_miniprogram", "EventKey": "pages/index"}, "Lan.Chen", True),
    "template_card_event": (
        {
            "Event": "template_card_event", "EventKey": "done", "TaskId": "task-7", "CardType": "button_interaction",
            "ResponseCode": "RESPONSECODE-1",
            "SelectedItems": {"SelectedItem": [
                {"QuestionKey": "when", "OptionIds": {"OptionId": ["tomorrow", "evening"]}},
                {"QuestionKey": "how", "OptionIds": {"OptionId": "chat"}},
            ]},
        },
        "Lan.Chen", True,
    ),
    "template_card_menu_event": (
        {
            "Event": "template_card_menu_event", "EventKey": "quiet", "TaskId": "task-7", "CardType": "text_notice",
            "ResponseCode": "RESPONSECODE-2",
        },
        "Lan.Chen", True,
    ),
    "living_status_change": (
        {"Event": "living_status_change", "LivingId": "lvOQpTDwAAcP9wNOSSxTwpbni-TMPNSg", "Status": 1}, "Lan.Chen", True,
    ),
    "sys_approval_change": (
        {
            "Event": "sys_approval_change",
            "ApprovalInfo": {
                "SpNo": 201909270001, "SpNoStr": "201909270001", "SpName": "示例模板", "SpStatus": 2,
                "TemplateId": "3TkaH5KFbrG9heEQWLJjhgpFwmqAFB4dLEnapaB7aaa", "ApplyTime": AT - 60,
                "Applyer": {"UserId": "Lan.Chen", "Party": 1},
                "SpRecord": [{"SpStatus": 2, "ApproverAttr": 1, "Details": {"Approver": {"UserId": "Min.Wang"},
                              "Speech": "同意", "SpStatus": 2, "SpTime": AT}}],
                "Notifyer": {"UserId": "Yu.Zhao"}, "StatuChangeEvent": 2,
            },
        },
        "sys", True,
    ),
    "open_approval_change": (
        {
            "Event": "open_approval_change",
            "ApprovalInfo": {
                "ThirdNo": "201806010001", "OpenSpName": "付款", "OpenTemplateId": "1234567890", "OpenSpStatus": 1,
                "ApplyTime": AT - 60, "ApplyUserName": "陈岚", "ApplyUserId": "Lan.Chen", "approverstep": 0,
            },
        },
        "sys", True,
    ),
    **{
        name: ({"Event": name} | more, "sys", True)
        for name, more in {
            "inactive_alert": {"EffectTime": AT + 86_400}, "close_inactive_agent": {}, "reopen_inactive_agent": {},
            "low_active_alert": {"EffectTime": AT + 86_400}, "low_active": {}, "active_restored": {},
        }.items()
    },
    # of rooms that do not exist yet, or of features the product does not use
    "batch_job_result": (
        {"Event": "batch_job_result", "BatchJob": {"JobId": "S0MrnndvRG5fadSlLwiBqiDDbM143UqTmKP3152FZk4",
         "JobType": "sync_user", "ErrCode": 0, "ErrMsg": "ok"}}, "sys", False,
    ),
    "upload_media_job_finish": ({"Event": "upload_media_job_finish", "JobId": "jobid_S0MrnndvRG5f"}, "sys", False),
    "modify_schedule": ({"Event": "modify_schedule", "CalId": "wc-cal", "ScheduleId": "wc-sch"}, "sys", False),
    "meeting_change/modify_meeting": (
        {"Event": "meeting_change", "ChangeType": "modify_meeting", "MeetingId": "hyt"}, "Lan.Chen", True,
    ),
    "wedrive_file_change": ({"Event": "wedrive_file_change", "SpaceId": "s", "FileId": "f"}, "sys", False),
    "msgaudit_notify": ({"Event": "msgaudit_notify"}, "sys", True),
    "share_agent_change": ({"Event": "share_agent_change"}, "sys", True),
    "an_event_of_next_year/odd": ({"Event": "an_event_of_next_year", "ChangeType": "odd", "What": "?"}, "sys", False),
}  # fmt: skip


def sample(kind: str, *, at: int = AT, **changes: Any) -> str:
    """Return the XML of a kind, with other fields if asked."""
    fields, sender, has_agent = KINDS[kind]
    return message(fields | changes, at=at, sender=sender, agent=AGENT if has_agent else None)
