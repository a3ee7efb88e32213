"""What was done, in words: each action of the trail and the group one filters it by. The one table of all pages."""

# Groups are what one filters by.
GROUPS = {
    "sign_in": "登录", "privacy": "看会员信息", "export": "导出", "owner": "会员归属", "approval": "审批",
    "people": "员工和岗位", "org": "组织和门店", "rules": "规则和配置", "work": "任务和售后", "messages": "消息和接口",
    "system": "系统",
}  # fmt: skip
ACTIONS: dict[str, tuple[str, str]] = {
    # 登录
    "auth.login": ("登录", "sign_in"), "auth.logout": ("退出登录", "sign_in"), "auth.login_failed": ("登录没成功", "sign_in"),
    "auth.role_switched": ("切换身份", "sign_in"), "auth.confirmed": ("再次确认是本人", "sign_in"),
    "auth.session_locked": ("连着打开不存在的地址，被停了登录", "sign_in"), "auth.session_ended": ("结束了一处登录", "sign_in"),
    "auth.sessions_ended": ("结束了所有登录", "sign_in"), "auth.second_factor_on": ("开启动态码", "sign_in"),
    "auth.second_factor_off": ("关闭动态码", "sign_in"), "auth.codes_locked": ("动态码输错太多，被锁", "sign_in"),
    "auth.recovery_code_used": ("用了备用码", "sign_in"), "auth.token_issued": ("签发接口令牌", "system"),
    # 看会员信息
    "member.phone_revealed": ("看了完整手机号", "privacy"), "member.revealed": ("看了完整的个人信息", "privacy"),
    "member.viewed": ("打开会员资料", "privacy"), "member.listed": ("看了会员名单", "privacy"),
    "member.reveals_alarm": ("看号码次数不寻常", "privacy"), "audit.viewed": ("查看操作记录", "privacy"),
    "audit.member_viewed": ("查了谁看过这位会员", "privacy"), "member.copy_taken": ("取走个人信息副本", "privacy"),
    "member_request.recorded": ("登记会员的要求", "privacy"), "member_request.identity_checked": ("核实会员本人", "privacy"),
    "member_request.copied": ("把副本交给了会员", "privacy"), "member_request.corrected": ("按会员要求更正", "privacy"),
    "member_request.refused": ("没办会员的要求", "privacy"), "member_request.withdrawn": ("会员收回了要求", "privacy"),
    "member_request.deletion_approved": ("同意删除会员信息", "privacy"), "member_request.deleted": ("删除了会员信息", "privacy"),
    "consent.given": ("会员同意", "privacy"), "consent.withdrawn": ("会员撤回同意", "privacy"),
    "member.phone_consent": ("改了电话许可", "privacy"), "member.particulars_changed": ("改了会员个人信息", "privacy"),
    "member.opt_out": ("改了不收营销的渠道", "privacy"), "member.closed": ("注销会员", "privacy"), "member.do_not_contact": ("改了请勿打扰", "privacy"),
    "member.corrected": ("更正会员信息", "privacy"),
    # 导出
    "export.asked": ("申请导出", "export"), "export.made": ("导出文件做好", "export"),
    "export.downloaded": ("下载导出文件", "export"), "export.failed": ("导出没做成", "export"), "review.exported": ("导出任务复盘", "export"),
    # 会员归属
    "member.owner_changed": ("改专属导购", "owner"), "member.handed_over": ("交接会员", "owner"),
    "member.registered": ("登记新会员", "owner"), "member.merged": ("合并会员", "owner"), "member.unmerged": ("撤销合并", "owner"),
    "handover.opened": ("开始交接", "owner"), "handover.replanned": ("重排交接", "owner"), "handover.withdrawn": ("取消交接", "owner"),
    "friend.linked": ("好友对上会员", "owner"), "friend.unlinked": ("好友和会员解开", "owner"),
    "friend.review_decided": ("判断好友是谁", "owner"), "friend.review_reopened": ("重新判断好友是谁", "owner"),
    # 审批
    "approval.asked": ("提交申请", "approval"), "approval.given": ("批准", "approval"), "approval.refused": ("没同意", "approval"),
    "approval.withdrawn": ("撤回申请", "approval"), "approval.expired": ("申请过期", "approval"),
    "task.skip_decided": ("审批跳过", "approval"), "task.spot_checked": ("抽查凭证", "approval"),
    # 员工和岗位
    "org.role_assigned": ("给了岗位", "people"), "org.role_changed": ("改了岗位", "people"), "org.role_ended": ("收回岗位", "people"),
    "org.staff_created": ("新增员工", "people"), "org.staff_edited": ("改了员工资料", "people"),
    "org.staff_renamed": ("改了企业微信账号", "people"), "org.staff_phone": ("改了员工手机号", "people"),
    "org.staff_post": ("改了员工所在", "people"), "org.staff_state": ("改了员工状态", "people"), "org.staff_resigned": ("办理离职", "people"),
    "org.staff_move_planned": ("安排调店", "people"), "org.staff_move_cancelled": ("取消调店", "people"), "org.staff_moved": ("调店生效", "people"),
    "org.password_set": ("设了网页密码", "people"), "org.password_removed": ("去掉网页密码", "people"),
    "attendance.backup_set": ("指定代办人", "people"), "attendance.shifts_set": ("排班", "people"),
    # 组织和门店
    "org.unit_created": ("新增组织", "org"), "org.unit_renamed": ("组织改名", "org"), "org.unit_moved": ("组织换上级", "org"),
    "org.unit_ended": ("停用组织", "org"), "org.store_changed": ("改了门店资料", "org"), "org.store_closed": ("关店", "org"),
    "org.store_reopened": ("重新开店", "org"), "org.dealer_added": ("新增经销商", "org"), "org.dealer_changed": ("改了经销商", "org"),
    "org.sync_started": ("开始同步通讯录", "org"), "org.sync_stopped": ("停止同步通讯录", "org"),
    # 规则和配置
    "cadence.drafted": ("新建规则草稿", "rules"), "cadence.edited": ("改了规则草稿", "rules"), "cadence.dropped": ("丢弃规则草稿", "rules"),
    "cadence.published": ("发布规则", "rules"), "setting.changed": ("改了设置", "rules"), "setting.withdrawn": ("撤回了设置", "rules"), "job.run": ("手动运行后台任务", "rules"),
    "job.switched_on": ("打开后台任务", "rules"), "job.switched_off": ("关掉后台任务", "rules"), "job.rescheduled": ("改了后台任务时间", "rules"),
    "secret.changed": ("更换密钥", "rules"), "secret.rotated": ("更换密钥", "rules"), "keys.rotation_started": ("开始更换数据密钥", "rules"),
    "keys.rotation_finished": ("数据密钥更换完", "rules"), "keys.rotation_stopped": ("停止更换数据密钥", "rules"),
    "feed.token_issued": ("签发数据接口令牌", "rules"), "feed.token_revoked": ("停用数据接口令牌", "rules"), "feed.source_saved": ("改了数据来源", "rules"),
    "way.wanted": ("新建加好友码", "rules"), "way.retired": ("停用加好友码", "rules"),
    # 任务和售后
    "task.put_off": ("替导购定了稍后", "work"), "task.skip_asked": ("替导购申请跳过", "work"),
    "task.completed": ("完成任务", "work"), "task.reassigned": ("转交任务", "work"), "review.talk_recorded": ("记了门店谈话", "work"),
    "ticket.opened": ("开售后单", "work"), "ticket.moved": ("售后单推进", "work"), "ticket.pickup_set": ("改取衣时间", "work"),
    "tags.bulk_changed": ("批量改标签", "work"),
    # 消息和接口
    "message.resent": ("重发消息", "messages"), "message.closed": ("关闭消息", "messages"), "message.parked": ("搁置消息", "messages"), "event.retried": ("重试系统通知", "messages"),
    "event.closed": ("关闭系统通知", "messages"), "inbox.replayed": ("重放回调", "messages"), "enrollment.retried": ("重试跟进周期", "messages"),
    "sending.gate_opened": ("恢复后打开发送", "messages"), "corptags.sync_started": ("开始同步企微标签", "messages"),
    "corptags.sync_stopped": ("停止同步企微标签", "messages"), "corptags.retried": ("重试企微标签", "messages"),
    "friends.sync_started": ("开始同步好友", "messages"), "friends.sync_stopped": ("停止同步好友", "messages"),
    "intake.uploaded": ("上传数据文件", "messages"), "intake.confirmed": ("确认导入", "messages"), "intake.cancelled": ("取消导入", "messages"),
    "intake.row_closed": ("关闭导入错行", "messages"), "intake.row_retried": ("重试导入错行", "messages"),
    "intake.members": ("导入会员", "messages"), "intake.staff": ("导入员工", "messages"), "intake.stores": ("导入门店", "messages"),
    "intake.products": ("导入商品", "messages"), "intake.stock": ("导入库存", "messages"),
    # 系统
    "audit.thinned": ("清理到期的操作记录", "system"), "backup.drilled": ("恢复演练", "system"),
}  # fmt: skip


def action_words(action: str) -> str:
    """Return what was done; an action nobody has named yet by its group at least."""
    return ACTIONS[action][0] if action in ACTIONS else "其他操作"


def actions_of(group: str) -> list[str]:
    return [action for action, (_, name) in ACTIONS.items() if name == group]
