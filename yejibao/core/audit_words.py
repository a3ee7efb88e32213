"""What was done, in words: each action of the trail and the group one filters it by. The one table of all pages."""

# Groups are what one filters by.
GROUPS = {
    "sign_in": "登录", "privacy": "看会员信息", "export": "导出", "owner": "会员归属", "approval": "审批",
    "people": "员工和岗位", "org": "组织和门店", "rules": "规则和配置", "work": "任务和售后", "messages": "消息和接口",
    "money": "收款和退款", "goods": "货品和价格", "system": "系统",
}  # fmt: skip
ACTIONS: dict[str, tuple[str, str]] = {
    # 登录
    "auth.login": ("登录", "sign_in"), "auth.logout": ("退出登录", "sign_in"), "auth.login_failed": ("登录没成功", "sign_in"),
    "auth.role_switched": ("切换身份", "sign_in"), "auth.confirmed": ("再次确认是本人", "sign_in"),
    "auth.member_login": ("会员登录", "sign_in"), "auth.member_logout": ("会员退出登录", "sign_in"),
    "auth.member_logout_everywhere": ("会员在所有地方退出登录", "sign_in"),
    "member.account_bound": ("会员绑了微信号", "privacy"),
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
    # 收银
    "sale.offered": ("把单子发给会员", "money"), "sale.confirmed": ("确认收银", "money"), "sale.paid": ("收款完成", "money"),
    "sale.closed": ("关闭没付的单", "money"), "sale.paid_late": ("关单后到账，原路退回", "money"),
    "sale.member_found": ("收银时认出会员", "privacy"),
    "refund.asked": ("申请退货退款", "money"), "refund.refused": ("没同意退货退款", "money"), "refund.made": ("退货退款", "money"),
    "exchange.done": ("换货", "money"), "exchange.closed": ("没有换货", "money"), "exchange.paid_late": ("换货没成，差价原路退回", "money"),
    "compensation.paid": ("赔付损坏", "money"), "care.received": ("收下衣服", "work"), "care.confirmed": ("确认瑕疵登记", "work"),
    "care.fee_taken": ("收改衣洗护费", "money"), "care.fee_paid_late": ("改衣洗护费多付，原路退", "money"), "care.damaged": ("我们弄坏了", "work"),
    "refund.settled": ("微信退款到账", "money"), "promotion.made": ("新建促销", "rules"), "promotion.ended": ("提前结束促销", "rules"),
    # 储值
    "wallet.opened": ("开了储值卡", "money"), "wallet.holder_recorded": ("登记储值卡实名", "money"),
    "wallet.frozen": ("冻结储值卡", "money"), "wallet.unfrozen": ("解冻储值卡", "money"), "wallet.replaced": ("换储值卡", "money"),
    "wallet.top_up_asked": ("发起充值", "money"), "wallet.top_up_confirmed": ("会员确认充值", "money"),
    "wallet.top_up_cancelled": ("取消充值", "money"), "wallet.topped_up": ("充值到账", "money"),
    "wallet.refund_asked": ("申请退卡", "money"), "wallet.refund_approved": ("批准退卡", "money"),
    "wallet.refund_refused": ("没批准退卡", "money"), "wallet.refund_withdrawn": ("撤回退卡", "money"), "wallet.refunded": ("退卡付款", "money"),
    "wallet.refund_transferred": ("记下退卡的银行转账", "money"), "wallet.refund_transfer_undone": ("撤回退卡的银行转账", "money"),
    "wallet.viewed": ("看了储值卡流水", "money"),
    # 员工和岗位
    "org.role_assigned": ("给了岗位", "people"), "org.role_changed": ("改了岗位", "people"), "org.role_ended": ("收回岗位", "people"),
    "org.staff_created": ("新增员工", "people"), "org.staff_edited": ("改了员工资料", "people"),
    "org.staff_renamed": ("改了企业微信账号", "people"), "org.staff_phone": ("改了员工手机号", "people"),
    "org.staff_post": ("改了员工所在", "people"), "org.staff_state": ("改了员工状态", "people"), "org.staff_resigned": ("办理离职", "people"),
    "org.staff_move_planned": ("安排调店", "people"), "org.staff_move_cancelled": ("取消调店", "people"), "org.staff_moved": ("调店生效", "people"),
    "org.password_set": ("设了网页密码", "people"), "org.password_removed": ("去掉网页密码", "people"),
    "attendance.fence_set": ("设了门店打卡点", "org"), "attendance.wifi_added": ("加了打卡 Wi-Fi", "org"),
    "attendance.wifi_dropped": ("去掉打卡 Wi-Fi", "org"), "attendance.location_agreed": ("同意打卡取位置", "people"),
    "attendance.location_refused": ("不再同意打卡取位置", "people"), "attendance.correction": ("补卡有了结果", "approval"),
    "leave.asked": ("申请请假", "approval"), "leave.changed": ("改了请假单", "approval"), "leave.withdrawn": ("撤回请假", "approval"),
    "leave.approved": ("批准请假", "approval"), "leave.refused": ("没同意请假", "approval"), "leave.returned": ("退回请假补充", "approval"),
    "leave.cancelled": ("取消请假", "approval"), "leave.ended_early": ("提前销假", "approval"), "leave.entered": ("登记请假", "approval"),
    "attendance.holiday_set": ("改了节假日", "rules"), "attendance.shift_time_set": ("改了班次", "rules"),
    "worklog.handed_in": ("交了工作日志", "work"), "worklog.template_changed": ("改了日志模板", "rules"),
    "attendance.backup_set": ("指定代办人", "people"), "attendance.shifts_set": ("排班", "people"),
    "outfit.drafted": ("写了搭配", "rules"), "outfit.published": ("发布搭配", "rules"), "outfit.withdrawn": ("下架搭配", "rules"),
    "outfit.proposed": ("投稿搭配", "work"), "outfit.adopted": ("采纳投稿", "rules"), "outfit.refused": ("没采纳投稿", "rules"),
    "outfit.sent": ("给会员发了穿搭", "work"), "outfit.carted": ("把整套放进购物车", "work"), "outfit.asked": ("会员请导购备货", "work"),
    # 组织和门店
    "org.unit_created": ("新增组织", "org"), "org.unit_renamed": ("组织改名", "org"), "org.unit_moved": ("组织换上级", "org"),
    "org.unit_ended": ("停用组织", "org"), "org.store_changed": ("改了门店资料", "org"), "org.store_closed": ("关店", "org"),
    "org.store_reopened": ("重新开店", "org"), "org.dealer_added": ("新增经销商", "org"), "org.dealer_changed": ("改了经销商", "org"),
    "org.sync_started": ("开始同步通讯录", "org"), "org.sync_stopped": ("停止同步通讯录", "org"),
    # 公告
    "announcement.published": ("发布公告", "messages"), "announcement.scheduled": ("定时公告", "messages"),
    "announcement.unscheduled": ("取消定时公告", "messages"), "announcement.withdrawn": ("撤回公告", "messages"),
    "announcement.pinned": ("置顶公告", "messages"), "announcement.urged": ("催读公告", "messages"), "announcement.dropped": ("删掉公告草稿", "messages"),
    # 规则和配置
    "cadence.drafted": ("新建规则草稿", "rules"), "cadence.edited": ("改了规则草稿", "rules"), "cadence.dropped": ("丢弃规则草稿", "rules"),
    "cadence.published": ("发布规则", "rules"), "setting.changed": ("改了设置", "rules"), "setting.withdrawn": ("撤回了设置", "rules"), "job.run": ("手动运行后台任务", "rules"),
    "job.switched_on": ("打开后台任务", "rules"), "job.switched_off": ("关掉后台任务", "rules"), "job.rescheduled": ("改了后台任务时间", "rules"),
    "secret.changed": ("更换密钥", "rules"), "secret.rotated": ("更换密钥", "rules"), "keys.rotation_started": ("开始更换数据密钥", "rules"),
    "keys.rotation_finished": ("数据密钥更换完", "rules"), "keys.rotation_stopped": ("停止更换数据密钥", "rules"),
    "keys.index_started": ("开始重算手机号索引", "rules"), "keys.index_finished": ("手机号索引重算完", "rules"),
    "feed.token_issued": ("签发数据接口令牌", "rules"), "feed.token_revoked": ("停用数据接口令牌", "rules"), "feed.source_saved": ("改了数据来源", "rules"),
    "way.wanted": ("新建加好友码", "rules"), "way.retired": ("停用加好友码", "rules"),
    # 任务和售后
    "task.next_best_taken": ("按提示开了任务", "work"), "task.put_off": ("替导购定了稍后", "work"), "task.skip_asked": ("替导购申请跳过", "work"),
    "task.completed": ("完成任务", "work"), "task.reassigned": ("转交任务", "work"), "review.talk_recorded": ("记了门店谈话", "work"),
    "ticket.opened": ("开售后单", "work"), "ticket.moved": ("售后单推进", "work"), "ticket.pickup_set": ("改取衣时间", "work"),
    "ticket.passed_up": ("售后单转给上一级", "work"), "ticket.rated": ("售后评价", "work"), "ticket.assigned": ("售后单换客服", "work"),
    "ticket.checked": ("售后质检", "work"), "ticket.template_changed": ("改了常用答复", "rules"), "ticket.swapped": ("售后换货", "work"),
    "survey.answered": ("会员评价", "work"), "survey.replied": ("回复评价", "work"), "survey.refused": ("会员不要再问评价", "work"),
    "survey.wanted": ("会员又可以问评价", "work"),
    "visit.invited": ("邀约到店", "work"), "visit.accepted": ("会员应约", "work"), "visit.declined": ("会员来不了", "work"),
    "visit.moved": ("改到店时间", "work"), "visit.cancelled": ("取消到店", "work"), "visit.arrived": ("会员到店", "work"),
    "visit.arrival_undone": ("撤回到店", "work"), "visit.bought": ("邀约成交", "work"), "visit.returned": ("邀约成交后全退", "work"),
    "visit.sent": ("发到店邀请", "work"), "visit.asked": ("会员自己约到店", "work"), "visit.group_planned": ("集体邀约", "work"), "visit.group_stopped": ("停了集体邀约", "work"),
    "fitting.booked": ("约量体", "work"), "fitting.rebooked": ("量体改约", "work"), "fitting.moved": ("定制进度", "work"),
    "fitting.measured": ("量体", "work"), "fitting.confirmed": ("会员确认定制", "work"), "fitting.delayed": ("定制延期", "work"),
    "fitting.taken": ("接待量体", "work"), "fitting.passed_on": ("量体换人接待", "work"), "fitting.line_linked": ("定制对上小票", "work"),
    "fitting.plan_changed": ("改量体时段", "rules"),
    "tags.bulk_changed": ("批量改标签", "work"),
    "rectification.accepted": ("整改复查通过", "work"), "rectification.returned": ("整改退回重改", "work"),
    "rectification.waived": ("撤销整改", "work"), "rectification.moved": ("整改换人", "work"),
    "rectification.waits": ("整改等总部处理", "work"), "rectification.resumed": ("整改继续", "work"),
    "patrol.submitted": ("提交巡店", "work"), "patrol.dropped": ("作废巡店", "work"),
    "vote.opened": ("发起投票", "work"), "vote.withdrawn": ("收回投票", "work"), "meeting.planned": ("安排会议", "work"),
    "meeting.called_off": ("取消会议", "work"), "drive.file_put": ("上传共享文件", "work"), "drive.file_removed": ("删除共享文件", "work"),
    "drive.folder_kept": ("改了共享文件夹", "work"), "help.category_changed": ("改了呼叫总部的分类", "rules"),
    # 消息和接口
    "message.resent": ("重发消息", "messages"), "message.closed": ("关闭消息", "messages"), "message.parked": ("搁置消息", "messages"), "event.retried": ("重试系统通知", "messages"),
    "event.closed": ("关闭系统通知", "messages"), "inbox.replayed": ("重放回调", "messages"), "enrollment.retried": ("重试跟进周期", "messages"),
    "sending.gate_opened": ("恢复后打开发送", "messages"), "corptags.sync_started": ("开始同步企微标签", "messages"),
    "corptags.sync_stopped": ("停止同步企微标签", "messages"), "corptags.retried": ("重试企微标签", "messages"),
    "friends.sync_started": ("开始同步好友", "messages"), "friends.sync_stopped": ("停止同步好友", "messages"),
    "intake.uploaded": ("上传数据文件", "messages"), "intake.confirmed": ("确认导入", "messages"), "intake.cancelled": ("取消导入", "messages"),
    "intake.row_claimed": ("接手导入错行", "messages"), "intake.row_closed": ("关闭导入错行", "messages"), "intake.row_retried": ("重试导入错行", "messages"),
    "intake.members": ("导入会员", "messages"), "intake.staff": ("导入员工", "messages"), "intake.stores": ("导入门店", "messages"),
    "intake.products": ("导入商品", "messages"), "intake.stock": ("导入库存", "messages"),
    # 微信支付
    "pay.misfit": ("微信支付说的和订单对不上", "money"), "pay.late": ("关单后到账，自动原路退回", "money"),
    "pay.refund_again": ("重发卡住的退款", "money"), "pay.refund_ended": ("卡住的退款另外了结", "money"),
    "pay.refund_twice": ("另外付过的退款，微信又退成功了", "money"), "finance.refund_end_asked": ("申请另行处理卡住的退款", "money"),
    "finance.refund_end_approved": ("批准另付卡住的退款", "money"), "finance.refund_end_done": ("卡住的退款办完了", "money"),
    "finance.refund_end_dropped": ("卡住的退款不另外处理了", "money"), "pay.notice_again": ("重新处理支付通知", "money"),
    # 货品和价格
    "price.set": ("定了价格", "goods"), "price.ended": ("提前结束价格", "goods"), "price.withdrawn": ("撤了还没开始的价格", "goods"),
    "style.edited": ("改了商品故事和卖点", "goods"), "style.tagged": ("改了商品标签", "goods"), "style.pictured": ("换了商品照片", "goods"),
    "stock.reserved": ("为会员留货", "goods"), "stock.released": ("放回留货", "goods"),
    "transfer.asked": ("要调货", "goods"), "transfer.agreed": ("同意调货", "goods"), "transfer.refused": ("调货没有了", "goods"),
    "transfer.sent": ("调货发出", "goods"), "transfer.received": ("收到调货", "goods"), "transfer.cancelled": ("撤回调货", "goods"),
    "item.codes_made": ("生成一物一码", "goods"), "item.registered": ("会员登记了一件衣服", "goods"), "item.asked_for": ("会员扫码想要一件", "goods"),
    "intake.labels": ("导入商品条码", "messages"), "intake.warehouses": ("导入仓库", "messages"), "intake.item_codes": ("导入一物一码", "messages"),
    # 代客下单
    "proxy.sent": ("代客下单发给会员", "money"), "proxy.link_sent": ("发了付款链接", "money"), "proxy.refused": ("会员没要代客单", "money"),
    "proxy.withdrawn": ("撤回代客单", "money"), "proxy.transfer_confirmed": ("确认转给导购的钱", "money"),
    "proxy.transfer_disputed": ("会员说没转过钱", "money"),
    # 盘点
    "stocktake.created": ("开了盘点", "goods"), "stocktake.started": ("开始盘点", "goods"), "stocktake.cancelled": ("取消盘点", "goods"),
    "stocktake.counters_changed": ("换了盘点的人", "goods"), "stocktake.closed": ("盘点收盘", "goods"), "stocktake.reopened": ("接着盘点", "goods"),
    "stocktake.recount_asked": ("请人复盘", "goods"), "stocktake.clash_settled": ("定了盘点重复的怎么算", "goods"),
    "stocktake.late_settled": ("定了盘点晚到的算不算", "goods"), "stocktake.approved": ("盘点入账", "goods"), "stocktake.expired": ("盘点过期作废", "goods"),
    # 券、积分、权益
    "coupon.template_made": ("新建券模板", "money"),
    "coupon.batch_asked": ("申请发券", "money"), "coupon.batch_started": ("券开始发", "money"),
    "coupon.batch_refused": ("发券没被同意", "money"), "coupon.batch_stopped": ("停发券", "money"), "coupon.quota_set": ("改了发券份额", "money"),
    "coupon.issue_asked": ("按人群发券", "money"), "coupon.issued": ("发了一批券", "money"), "coupon.handed_out": ("给会员发券", "money"),
    "coupon.held": ("券等付款", "money"), "coupon.released": ("没付成，券放回", "money"), "coupon.used": ("核销券", "money"),
    "coupon.given_back": ("退货退回券", "money"), "coupon.kept_used": ("部分退货，券不退", "money"),
    "points.spent": ("用了积分", "money"), "points.given_back": ("退回积分", "money"),
    "benefit.used": ("用了等级权益", "money"), "benefit.given_back": ("退回等级权益", "money"),
    # 财务
    "finance.day_closed": ("关账", "money"), "finance.break_taken": ("接手对账差异", "money"), "finance.break_answered": ("处理对账差异", "money"),
    # 系统
    "audit.thinned": ("清理到期的操作记录", "system"), "backup.drilled": ("恢复演练", "system"),
}  # fmt: skip


def action_words(action: str) -> str:
    """Return what was done; an action nobody has named yet by its group at least."""
    return ACTIONS[action][0] if action in ACTIONS else "其他操作"


def actions_of(group: str) -> list[str]:
    return [action for action, (_, name) in ACTIONS.items() if name == group]
