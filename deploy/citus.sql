-- 第 2 步：Citus（什么时候需要，见 scaling.md）。这是配置，不是脚本：没有在 Citus 上跑过，先在影子库演练。
--   协调节点 1 主 1 备，工作节点 4 台，64 个分片，按 bucket = member_id % 1024 分布；同一个会员的一切落在同一个分片。
--   前提：下面「先改表」做完，并且引擎、入单的每条语句都带 bucket = 某个数（Citus 只在单分片语句上支持 FOR UPDATE SKIP LOCKED）。
CREATE EXTENSION IF NOT EXISTS citus;
SET citus.shard_count = 64;
SET citus.shard_replication_factor = 1;   -- 高可用靠每个节点自己的流复制；大于 1 时不支持 FOR UPDATE

-- ---------------------------------------------------------------- 先改表（每张分布表都要；以任务表为例）
-- 1. 加 bucket，回填，设成非空。没有会员的单（散客）用 id % 1024。
--    ALTER TABLE tasks_task ADD COLUMN bucket smallint;
--    UPDATE tasks_task SET bucket = member_id % 1024 WHERE bucket IS NULL;          -- 分批
--    ALTER TABLE tasks_task ALTER COLUMN bucket SET NOT NULL;
-- 2. 主键和唯一键都要含 bucket（Citus 的硬规定）。Django 仍把 id 当主键，id 由全局序列发，不会重。
--    ALTER TABLE tasks_task DROP CONSTRAINT tasks_task_pkey CASCADE, ADD PRIMARY KEY (bucket, id);
--    task_step_opens_once            (bucket, enrollment_id, node)
--    task_trigger_once               (bucket, dedupe_key)
--    enrollment_cadence_cause        (bucket, anchor_order_id, cadence_id)
--    enrollment_one_active_full      (bucket, cadence_id, member_id)             WHERE status = 'active' AND kind = 'full'
--    enrollment_one_a_date           (bucket, cadence_id, member_id, anchor_on)  WHERE status <> 'cancelled'
--    cause_cadence_order             (bucket, order_id, cadence_id)
--    reach_once_a_task, spot_check_once, skip_one_open_request   (bucket, task_id)
--    order_line_no, order_change_number                          (bucket, order_id, …)
-- 3. 三个全局唯一键不能含 bucket，改由查找表保证（按值分布，先写查找表，再写主表）：
--    crm_member.member_no、public_id       -> crm_memberidentity 的 (kind, value)，它已经是这样一张表
--    crm_order (source, number)            -> 新表 crm_ordernumber (source, number, bucket, order_id)，按 number 分布
-- 4. 外键：分布表之间改成 (bucket, x_id) -> (bucket, id)；指向参考表的照旧；指向本地表的去掉。
--    tasks_tasknotice.message_id -> core_outboxmessage 去掉；tasks_scriptuse、tasks_pendingsend 指向话术表的照旧。
-- 5. 触发器：tasks_mark_new_days、tasks_mark_changed_days 用了语句级的过渡表，Citus 的分布表不支持。
--    改为由引擎和服务在同一事务里写 tasks_daymark（本地表），或由每分钟的任务按 updated_at 找变过的天。
-- 6. 顾问锁：OPEN_LOCK、DRAIN_LOCK、看板的 LOCK 在协调节点上拿，含义不变；要让各 bucket 并行开任务，先把「导购一天的上限」
--    从现数改成一张按导购分布的计数表（一个导购的任务散在所有分片上）。

-- ---------------------------------------------------------------- 参考表：每个节点一份
SELECT create_reference_table('guides_orgunit');
SELECT create_reference_table('guides_dealer');
SELECT create_reference_table('guides_store');
SELECT create_reference_table('guides_staff');
SELECT create_reference_table('guides_roleassignment');
SELECT create_reference_table('guides_shift');
SELECT create_reference_table('tasks_cadence');
SELECT create_reference_table('tasks_cadenceversion');
SELECT create_reference_table('tasks_cadencestep');
SELECT create_reference_table('tasks_script');
SELECT create_reference_table('crm_stylecolor');

-- ---------------------------------------------------------------- 分布表：会员的一切在一起
SELECT create_distributed_table('crm_member', 'bucket');
SELECT create_distributed_table('crm_friendlink', 'bucket', colocate_with => 'crm_member');
SELECT create_distributed_table('crm_ownershiptransfer', 'bucket', colocate_with => 'crm_member');
SELECT create_distributed_table('crm_order', 'bucket', colocate_with => 'crm_member');
SELECT create_distributed_table('crm_orderline', 'bucket', colocate_with => 'crm_member');
SELECT create_distributed_table('crm_orderchange', 'bucket', colocate_with => 'crm_member');
SELECT create_distributed_table('crm_ticket', 'bucket', colocate_with => 'crm_member');
SELECT create_distributed_table('crm_tierrank', 'bucket', colocate_with => 'crm_member');
SELECT create_distributed_table('tasks_enrollment', 'bucket', colocate_with => 'crm_member');
SELECT create_distributed_table('tasks_hand', 'bucket', colocate_with => 'crm_member');
SELECT create_distributed_table('tasks_enrollmentcause', 'bucket', colocate_with => 'crm_member');
SELECT create_distributed_table('tasks_task', 'bucket', colocate_with => 'crm_member');
SELECT create_distributed_table('tasks_taskevidence', 'bucket', colocate_with => 'crm_member');
SELECT create_distributed_table('tasks_taskmove', 'bucket', colocate_with => 'crm_member');
SELECT create_distributed_table('tasks_tasknotice', 'bucket', colocate_with => 'crm_member');
SELECT create_distributed_table('tasks_reach', 'bucket', colocate_with => 'crm_member');
SELECT create_distributed_table('tasks_pendingsend', 'bucket', colocate_with => 'crm_member');
SELECT create_distributed_table('tasks_skiprequest', 'bucket', colocate_with => 'crm_member');
SELECT create_distributed_table('tasks_spotcheck', 'bucket', colocate_with => 'crm_member');
SELECT create_distributed_table('tasks_urge', 'bucket', colocate_with => 'crm_member');
SELECT create_distributed_table('tasks_cardclick', 'bucket', colocate_with => 'crm_member');
SELECT create_distributed_table('tasks_scriptuse', 'bucket', colocate_with => 'crm_member');
-- 按值找会员，所以按值分布，不和会员在一起
SELECT create_distributed_table('crm_memberidentity', 'value', colocate_with => 'none');
-- 看板：按门店、机构
SELECT create_distributed_table('tasks_taskday', 'store_id', colocate_with => 'none');
SELECT create_distributed_table('tasks_unitday', 'unit_id', colocate_with => 'none');

-- ---------------------------------------------------------------- 留在协调节点（不分布）：推送发件箱、部门消息、回调收件箱、会话、审计、
-- 幂等键、心跳、定时表、额度、标签定义、加好友码等。一天几十万行以内，要的是一个全局的先后次序。没有写在上面的表都属于这一类；
-- 带 member_id 的新表上线前，先在上面加一行。
