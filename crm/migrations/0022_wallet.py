"""Stored value: the ledger, the cards, and what the database itself refuses of them (reliability-security §4)."""

import uuid

import django.contrib.postgres.indexes
import django.db.models.deletion
import django.db.models.expressions
from django.conf import settings
from django.db import migrations, models

import yejibao.core.personal

# A transfer is looked at when its transaction ends: by then all its legs are there, or they never come. A leg that is added to
# an old transfer is looked at as well.
BALANCED = """
CREATE FUNCTION crm_ledger_must_balance(which bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    legs bigint;
    total numeric;
BEGIN
    SELECT count(*), coalesce(sum(side * amount_fen), 0) INTO legs, total FROM crm_ledgerentry WHERE transfer_id = which;
    IF legs < 2 OR total <> 0 THEN
        RAISE EXCEPTION 'transfer % has % legs that sum to %', which, legs, total USING ERRCODE = 'check_violation';
    END IF;
END $$;
CREATE FUNCTION crm_transfer_balanced() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM crm_ledger_must_balance(NEW.id);
    RETURN NULL;
END $$;
CREATE FUNCTION crm_entry_balanced() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM crm_ledger_must_balance(NEW.transfer_id);
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER crm_transfer_balanced AFTER INSERT ON crm_transfer
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION crm_transfer_balanced();
CREATE CONSTRAINT TRIGGER crm_entry_balanced AFTER INSERT ON crm_ledgerentry
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION crm_entry_balanced();
"""
UNBALANCED = """
DROP TRIGGER crm_entry_balanced ON crm_ledgerentry;
DROP TRIGGER crm_transfer_balanced ON crm_transfer;
DROP FUNCTION crm_entry_balanced();
DROP FUNCTION crm_transfer_balanced();
DROP FUNCTION crm_ledger_must_balance(bigint);
"""

# Nothing of what was booked changes; a mistake is a transfer that reverses it. Of a spend it is kept what came back, and
# that only grows. TRUNCATE only in a world that may be thrown away.
APPEND_ONLY = """
CREATE FUNCTION crm_ledger_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' AND coalesce(current_setting('yejibao.scratch', true), '') = 'on' THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'rows of % are append only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE FUNCTION crm_transfer_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    counted text[] := ARRAY['back_principal_fen', 'back_gift_fen'];
BEGIN
    IF to_jsonb(NEW) - counted <> to_jsonb(OLD) - counted OR NEW.kind <> 'spend'
        OR NEW.back_principal_fen < OLD.back_principal_fen OR NEW.back_gift_fen < OLD.back_gift_fen THEN
        RAISE EXCEPTION 'rows of crm_transfer are append only' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER crm_transfer_kept BEFORE UPDATE ON crm_transfer FOR EACH ROW EXECUTE FUNCTION crm_transfer_refuse();
CREATE TRIGGER crm_transfer_append_only BEFORE DELETE ON crm_transfer FOR EACH ROW EXECUTE FUNCTION crm_ledger_refuse();
CREATE TRIGGER crm_transfer_no_truncate BEFORE TRUNCATE ON crm_transfer
    FOR EACH STATEMENT EXECUTE FUNCTION crm_ledger_refuse();
""" + "".join(
    f"""
CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION crm_ledger_refuse();
CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION crm_ledger_refuse();
"""
    for table in ("crm_ledgerentry", "crm_ledgerday", "crm_walletstep")
)
CHANGEABLE = (
    "".join(
        f"DROP TRIGGER {table}_append_only ON {table}; DROP TRIGGER {table}_no_truncate ON {table};"
        for table in ("crm_ledgerentry", "crm_ledgerday", "crm_walletstep", "crm_transfer")
    )
    + "DROP TRIGGER crm_transfer_kept ON crm_transfer; DROP FUNCTION crm_transfer_refuse(); DROP FUNCTION crm_ledger_refuse();"
)

# States only go forward, and each step says who took it, and why. A card may be frozen and used again; a replaced one is dead.
FORWARD = """
CREATE FUNCTION crm_wallet_state_forward() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    ranks jsonb := TG_ARGV[0]::jsonb;
BEGIN
    IF NEW.state <> OLD.state AND coalesce((ranks->>NEW.state)::int, 0) <= (ranks->>OLD.state)::int THEN
        RAISE EXCEPTION '%: % does not become %', TG_TABLE_NAME, OLD.state, NEW.state USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE FUNCTION crm_wallet_step_kept() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    is_there boolean;
BEGIN
    EXECUTE format(
        'SELECT EXISTS (SELECT 1 FROM crm_walletstep WHERE %I = $1 AND from_state = $2 AND to_state = $3)', TG_ARGV[0]
    ) INTO is_there USING NEW.id, OLD.state, NEW.state;
    IF NOT is_there THEN
        RAISE EXCEPTION '% %: nobody said who made % of %', TG_TABLE_NAME, NEW.id, NEW.state, OLD.state
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER crm_topup_forward BEFORE UPDATE OF state ON crm_topup FOR EACH ROW EXECUTE FUNCTION
    crm_wallet_state_forward('{"asked": 1, "confirmed": 2, "settled": 3, "cancelled": 3, "expired": 3}');
CREATE TRIGGER crm_cardrefund_forward BEFORE UPDATE OF state ON crm_cardrefund FOR EACH ROW EXECUTE FUNCTION
    crm_wallet_state_forward('{"asked": 1, "approved": 2, "paid": 3, "refused": 3, "withdrawn": 3}');
CREATE TRIGGER crm_wallet_forward BEFORE UPDATE OF state ON crm_wallet FOR EACH ROW WHEN (OLD.state = 'replaced')
    EXECUTE FUNCTION crm_wallet_state_forward('{"replaced": 1}');
CREATE CONSTRAINT TRIGGER crm_topup_step AFTER UPDATE OF state ON crm_topup DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (OLD.state <> NEW.state) EXECUTE FUNCTION crm_wallet_step_kept('top_up_id');
CREATE CONSTRAINT TRIGGER crm_cardrefund_step AFTER UPDATE OF state ON crm_cardrefund DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (OLD.state <> NEW.state) EXECUTE FUNCTION crm_wallet_step_kept('refund_id');
CREATE CONSTRAINT TRIGGER crm_wallet_step AFTER UPDATE OF state ON crm_wallet DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (OLD.state <> NEW.state) EXECUTE FUNCTION crm_wallet_step_kept('wallet_id');
"""
ANY_WAY = """
DROP TRIGGER crm_topup_forward ON crm_topup; DROP TRIGGER crm_topup_step ON crm_topup;
DROP TRIGGER crm_cardrefund_forward ON crm_cardrefund; DROP TRIGGER crm_cardrefund_step ON crm_cardrefund;
DROP TRIGGER crm_wallet_forward ON crm_wallet; DROP TRIGGER crm_wallet_step ON crm_wallet;
DROP FUNCTION crm_wallet_step_kept();
DROP FUNCTION crm_wallet_state_forward();
"""

# Room on the page for the next version of a card: its balance changes with every movement, and no index names it.
ROOM = "ALTER TABLE crm_wallet SET (fillfactor = 70)"


class Migration(migrations.Migration):
    dependencies = [
        ("crm", "0021_benefits"),
        ("guides", "0016_finding_closed"),
    ]

    operations = [
        migrations.CreateModel(
            name="LedgerDay",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("day", models.DateField()),
                (
                    "part",
                    models.CharField(
                        choices=[
                            ("principal", "储值本金"),
                            ("gift", "储值赠金"),
                        ],
                        max_length=12,
                    ),
                ),
                ("opening_fen", models.BigIntegerField()),
                ("topped_up_fen", models.BigIntegerField()),
                ("spent_fen", models.BigIntegerField()),
                ("returned_fen", models.BigIntegerField()),
                ("refunded_fen", models.BigIntegerField()),
                ("corrected_fen", models.BigIntegerField()),
                ("closing_fen", models.BigIntegerField()),
                ("closed_at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("day", "part"), name="ledger_day_once"),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "closing_fen",
                                django.db.models.expressions.CombinedExpression(
                                    django.db.models.expressions.CombinedExpression(
                                        django.db.models.expressions.CombinedExpression(
                                            django.db.models.expressions.CombinedExpression(
                                                django.db.models.expressions.CombinedExpression(
                                                    models.F("opening_fen"), "+", models.F("topped_up_fen")
                                                ),
                                                "-",
                                                models.F("spent_fen"),
                                            ),
                                            "+",
                                            models.F("returned_fen"),
                                        ),
                                        "-",
                                        models.F("refunded_fen"),
                                    ),
                                    "+",
                                    models.F("corrected_fen"),
                                ),
                            )
                        ),
                        name="ledger_day_adds_up",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="LedgerProof",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField()),
                ("entries_count", models.BigIntegerField()),
                ("difference_fen", models.BigIntegerField()),
                ("wallets_off_count", models.IntegerField()),
                ("transfers_off_count", models.IntegerField()),
                ("days_off_count", models.IntegerField(default=0)),
                ("facts", models.JSONField(default=dict)),
            ],
            options={
                "indexes": [models.Index(fields=["-at"], name="ledger_proof_newest")],
            },
        ),
        migrations.CreateModel(
            name="Wallet",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("public_id", models.UUIDField(default=uuid.uuid4, unique=True)),
                ("card_no", models.CharField(max_length=16)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("pending", "待启用"),
                            ("active", "正常"),
                            ("frozen", "已冻结"),
                            ("replaced", "已换新卡"),
                        ],
                        default="active",
                        max_length=8,
                    ),
                ),
                ("principal_fen", models.BigIntegerField(db_default=0, default=0)),
                ("gift_fen", models.BigIntegerField(db_default=0, default=0)),
                ("opened_at", models.DateTimeField()),
                (
                    "member",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="wallets",
                        to="crm.member",
                    ),
                ),
                (
                    "replaces",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="replaced_by",
                        to="crm.wallet",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Transfer",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("top_up", "充值"),
                            ("spend", "消费"),
                            ("spend_refund", "退回卡里"),
                            ("card_refund", "退卡"),
                            ("replacement", "换卡"),
                            ("takings", "收款"),
                            ("payback", "退款"),
                            ("clearing", "结转"),
                            ("reversal", "冲正"),
                        ],
                        max_length=12,
                    ),
                ),
                ("actor_kind", models.CharField(max_length=8)),
                ("key", models.CharField(max_length=64)),
                ("principal_fen", models.BigIntegerField(db_default=0, default=0)),
                ("gift_fen", models.BigIntegerField(db_default=0, default=0)),
                ("back_principal_fen", models.BigIntegerField(db_default=0, default=0)),
                ("back_gift_fen", models.BigIntegerField(db_default=0, default=0)),
                ("subject", models.CharField(db_default="", max_length=64)),
                ("provider", models.CharField(db_default="", max_length=16)),
                ("provider_txn", models.CharField(db_default="", max_length=64)),
                ("reason", models.CharField(db_default="", max_length=32)),
                ("at", models.DateTimeField()),
                ("booked_on", models.DateField()),
                (
                    "by",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "refunds",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="refunded_by",
                        to="crm.transfer",
                    ),
                ),
                (
                    "reverses",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="reversed_by",
                        to="crm.transfer",
                    ),
                ),
                (
                    "store",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="guides.store",
                    ),
                ),
                (
                    "wallet",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="transfers",
                        to="crm.wallet",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="TopUp",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("public_id", models.UUIDField(default=uuid.uuid4, unique=True)),
                ("principal_fen", models.BigIntegerField()),
                ("gift_fen", models.BigIntegerField(default=0)),
                ("method", models.CharField(choices=[("wechat", "微信支付"), ("counter", "柜台付款")], max_length=8)),
                ("is_distant", models.BooleanField(default=False)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("asked", "等会员确认"),
                            ("confirmed", "会员已确认，等付款"),
                            ("settled", "已到账"),
                            ("cancelled", "已取消"),
                            ("expired", "已过期"),
                        ],
                        default="asked",
                        max_length=10,
                    ),
                ),
                ("terms_version", models.PositiveSmallIntegerField(null=True)),
                ("asked_at", models.DateTimeField()),
                ("ends_at", models.DateTimeField()),
                ("confirmed_at", models.DateTimeField(null=True)),
                ("settled_at", models.DateTimeField(null=True)),
                (
                    "guide",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "member",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="top_ups", to="crm.member"
                    ),
                ),
                (
                    "store",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="guides.store",
                    ),
                ),
                (
                    "transfer",
                    models.OneToOneField(
                        null=True, on_delete=django.db.models.deletion.PROTECT, related_name="top_up", to="crm.transfer"
                    ),
                ),
                (
                    "wallet",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="top_ups",
                        to="crm.wallet",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="LedgerEntry",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "account",
                    models.CharField(
                        choices=[
                            ("principal", "储值本金"),
                            ("gift", "储值赠金"),
                            ("cash_wechat", "微信收款"),
                            ("cash_counter", "柜台收款"),
                            ("revenue_clearing", "销售待结"),
                            ("gift_cost", "赠金成本"),
                            ("refund_clearing", "退款待付"),
                            ("suspense", "待查款项"),
                        ],
                        max_length=16,
                    ),
                ),
                ("side", models.SmallIntegerField(choices=[(1, "借"), (-1, "贷")])),
                ("amount_fen", models.BigIntegerField()),
                ("booked_on", models.DateField()),
                (
                    "transfer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="entries", to="crm.transfer"
                    ),
                ),
                (
                    "wallet",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="entries",
                        to="crm.wallet",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="CardRefund",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("public_id", models.UUIDField(default=uuid.uuid4, unique=True)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("asked", "待财务审批"),
                            ("approved", "已批准，待付款"),
                            ("paid", "已退款"),
                            ("refused", "没批准"),
                            ("withdrawn", "已撤回"),
                        ],
                        default="asked",
                        max_length=10,
                    ),
                ),
                ("way", models.CharField(choices=[("cash", "现金"), ("account", "本人同名账户")], max_length=8)),
                ("method", models.CharField(max_length=12)),
                ("principal_fen", models.BigIntegerField()),
                ("gift_fen", models.BigIntegerField()),
                ("pay_fen", models.BigIntegerField()),
                ("two_from_fen", models.BigIntegerField()),
                ("payee_name", yejibao.core.personal.EncryptedField(blank=True, default="")),
                ("payee_account", yejibao.core.personal.EncryptedField(blank=True, default="")),
                ("payee_last4", models.CharField(blank=True, default="", max_length=4)),
                ("reason", models.CharField(max_length=255)),
                ("asked_kind", models.CharField(max_length=8)),
                ("asked_at", models.DateTimeField()),
                ("pay_before", models.DateField()),
                ("paid_at", models.DateTimeField(null=True)),
                ("payout_ref", models.CharField(blank=True, default="", max_length=64)),
                (
                    "approval",
                    models.OneToOneField(
                        null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="guides.approval"
                    ),
                ),
                (
                    "approved_by",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "asked_by",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "seconded_by",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "store",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="guides.store",
                    ),
                ),
                (
                    "transfer",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="card_refund",
                        to="crm.transfer",
                    ),
                ),
                (
                    "wallet",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="refunds", to="crm.wallet"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="WalletStep",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("from_state", models.CharField(blank=True, max_length=10)),
                ("to_state", models.CharField(max_length=10)),
                ("actor_kind", models.CharField(max_length=8)),
                ("why", models.CharField(blank=True, max_length=255)),
                ("at", models.DateTimeField()),
                (
                    "by",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "refund",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="steps",
                        to="crm.cardrefund",
                    ),
                ),
                (
                    "top_up",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="steps",
                        to="crm.topup",
                    ),
                ),
                (
                    "wallet",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="steps",
                        to="crm.wallet",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="CardHolder",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", yejibao.core.personal.EncryptedField()),
                ("id_number", yejibao.core.personal.EncryptedField()),
                ("id_number_index", models.CharField(max_length=32)),
                ("id_number_last4", models.CharField(max_length=4)),
                ("contact", yejibao.core.personal.EncryptedField()),
                ("recorded_at", models.DateTimeField()),
                ("keep_until", models.DateField()),
                (
                    "member",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT, related_name="card_holder", to="crm.member"
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["id_number_index"], name="card_holder_id")],
            },
        ),
        migrations.AddIndex(
            model_name="wallet",
            index=models.Index(fields=["member"], name="wallet_member"),
        ),
        migrations.AddConstraint(
            model_name="wallet",
            constraint=models.CheckConstraint(
                condition=models.Q(("gift_fen__gte", 0), ("principal_fen__gte", 0)), name="wallet_not_negative"
            ),
        ),
        migrations.AddConstraint(
            model_name="wallet",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "replaced"), _negated=True),
                    models.Q(("gift_fen", 0), ("principal_fen", 0)),
                    _connector="OR",
                ),
                name="wallet_replaced_is_empty",
            ),
        ),
        migrations.AddConstraint(
            model_name="wallet",
            constraint=models.UniqueConstraint(fields=("card_no",), name="wallet_number"),
        ),
        migrations.AddConstraint(
            model_name="wallet",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state__in", ["active", "frozen"])), fields=("member",), name="wallet_one_live"
            ),
        ),
        migrations.AddIndex(
            model_name="transfer",
            index=models.Index(
                condition=models.Q(("wallet__isnull", False)), fields=["wallet", "-id"], name="transfer_of_wallet"
            ),
        ),
        migrations.AddIndex(
            model_name="transfer",
            index=models.Index(
                condition=models.Q(("store__isnull", False)), fields=["store", "-id"], name="transfer_of_store"
            ),
        ),
        migrations.AddIndex(
            model_name="transfer",
            index=models.Index(
                condition=models.Q(("refunds__isnull", False)), fields=["refunds"], name="transfer_refunds"
            ),
        ),
        migrations.AddConstraint(
            model_name="transfer",
            constraint=models.UniqueConstraint(fields=("actor_kind", "key"), name="transfer_once"),
        ),
        migrations.AddConstraint(
            model_name="transfer",
            constraint=models.UniqueConstraint(
                condition=models.Q(("provider_txn", ""), _negated=True),
                fields=("provider", "provider_txn"),
                name="transfer_provider_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="transfer",
            constraint=models.UniqueConstraint(
                condition=models.Q(("reverses__isnull", False)), fields=("reverses",), name="transfer_reversed_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="transfer",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("reverses__isnull", True),
                    models.Q(("kind", "reversal"), models.Q(("reason", ""), _negated=True)),
                    _connector="OR",
                ),
                name="transfer_reversal_says_why",
            ),
        ),
        migrations.AddConstraint(
            model_name="transfer",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("back_gift_fen__gte", 0),
                    ("back_gift_fen__lte", models.F("gift_fen")),
                    ("back_principal_fen__gte", 0),
                    ("back_principal_fen__lte", models.F("principal_fen")),
                ),
                name="transfer_refunds_within",
            ),
        ),
        migrations.AddConstraint(
            model_name="transfer",
            constraint=models.CheckConstraint(
                condition=models.Q(("gift_fen__gte", 0), ("principal_fen__gte", 0)), name="transfer_parts"
            ),
        ),
        migrations.AddConstraint(
            model_name="transfer",
            constraint=models.CheckConstraint(condition=models.Q(("key", ""), _negated=True), name="transfer_has_key"),
        ),
        migrations.AddIndex(
            model_name="topup",
            index=models.Index(fields=["store", "-id"], name="top_up_of_store"),
        ),
        migrations.AddIndex(
            model_name="topup",
            index=models.Index(
                condition=models.Q(("state__in", ["asked", "confirmed"])), fields=["ends_at"], name="top_up_open"
            ),
        ),
        migrations.AddConstraint(
            model_name="topup",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state__in", ["asked", "confirmed"])), fields=("member",), name="top_up_one_open"
            ),
        ),
        migrations.AddConstraint(
            model_name="topup",
            constraint=models.CheckConstraint(
                condition=models.Q(("gift_fen__gte", 0), ("principal_fen__gt", 0)), name="top_up_amounts"
            ),
        ),
        migrations.AddConstraint(
            model_name="topup",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state__in", ["confirmed", "settled"]), _negated=True),
                    models.Q(("confirmed_at__isnull", False), ("terms_version__isnull", False)),
                    _connector="OR",
                ),
                name="top_up_confirmed_by_member",
            ),
        ),
        migrations.AddConstraint(
            model_name="topup",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("settled_at__isnull", False), ("state", "settled"), ("transfer__isnull", False)),
                    models.Q(models.Q(("state", "settled"), _negated=True), ("transfer__isnull", True)),
                    _connector="OR",
                ),
                name="top_up_settled_is_booked",
            ),
        ),
        migrations.AddConstraint(
            model_name="topup",
            constraint=models.CheckConstraint(
                condition=models.Q(("is_distant", False), ("method", "wechat"), _connector="OR"),
                name="top_up_no_distant_cash",
            ),
        ),
        migrations.AddIndex(
            model_name="ledgerentry",
            index=django.contrib.postgres.indexes.BrinIndex(autosummarize=True, fields=["booked_on"], name="entry_day"),
        ),
        migrations.AddConstraint(
            model_name="ledgerentry",
            constraint=models.CheckConstraint(condition=models.Q(("amount_fen__gt", 0)), name="entry_amount"),
        ),
        migrations.AddConstraint(
            model_name="ledgerentry",
            constraint=models.CheckConstraint(condition=models.Q(("side__in", [1, -1])), name="entry_side"),
        ),
        migrations.AddConstraint(
            model_name="ledgerentry",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "account__in",
                        (
                            "principal",
                            "gift",
                            "cash_wechat",
                            "cash_counter",
                            "revenue_clearing",
                            "gift_cost",
                            "refund_clearing",
                            "suspense",
                        ),
                    )
                ),
                name="entry_account",
            ),
        ),
        migrations.AddConstraint(
            model_name="ledgerentry",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("account__in", ("principal", "gift")), ("wallet__isnull", False)),
                    models.Q(models.Q(("account__in", ("principal", "gift")), _negated=True), ("wallet__isnull", True)),
                    _connector="OR",
                ),
                name="entry_card_account",
            ),
        ),
        migrations.AddIndex(
            model_name="cardrefund",
            index=models.Index(fields=["state", "-id"], name="card_refund_state"),
        ),
        migrations.AddConstraint(
            model_name="cardrefund",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state__in", ["asked", "approved"])),
                fields=("wallet",),
                name="card_refund_one_open",
            ),
        ),
        migrations.AddConstraint(
            model_name="cardrefund",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("gift_fen__gte", 0),
                    ("pay_fen__gte", 0),
                    (
                        "pay_fen__lte",
                        django.db.models.expressions.CombinedExpression(
                            models.F("principal_fen"), "+", models.F("gift_fen")
                        ),
                    ),
                    ("principal_fen__gte", 0),
                ),
                name="card_refund_amounts",
            ),
        ),
        migrations.AddConstraint(
            model_name="cardrefund",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state__in", ["approved", "paid"]), _negated=True),
                    models.Q(
                        ("approved_by__isnull", False),
                        models.Q(
                            ("asked_by__isnull", True),
                            models.Q(("approved_by", models.F("asked_by")), _negated=True),
                            _connector="OR",
                        ),
                        models.Q(
                            ("pay_fen__lt", models.F("two_from_fen")),
                            models.Q(
                                ("seconded_by__isnull", False),
                                models.Q(("seconded_by", models.F("approved_by")), _negated=True),
                            ),
                            _connector="OR",
                        ),
                    ),
                    _connector="OR",
                ),
                name="card_refund_four_eyes",
            ),
        ),
        migrations.AddConstraint(
            model_name="cardrefund",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("paid_at__isnull", False), ("state", "paid"), ("transfer__isnull", False)),
                    models.Q(models.Q(("state", "paid"), _negated=True), ("transfer__isnull", True)),
                    _connector="OR",
                ),
                name="card_refund_paid_is_booked",
            ),
        ),
        migrations.AddIndex(
            model_name="walletstep",
            index=models.Index(
                condition=models.Q(("wallet__isnull", False)), fields=["wallet", "id"], name="wallet_step_wallet"
            ),
        ),
        migrations.AddIndex(
            model_name="walletstep",
            index=models.Index(
                condition=models.Q(("top_up__isnull", False)), fields=["top_up", "id"], name="wallet_step_top_up"
            ),
        ),
        migrations.AddIndex(
            model_name="walletstep",
            index=models.Index(
                condition=models.Q(("refund__isnull", False)), fields=["refund", "id"], name="wallet_step_refund"
            ),
        ),
        migrations.AddConstraint(
            model_name="walletstep",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("refund", None), ("top_up", None), ("wallet__isnull", False)),
                    models.Q(("refund", None), ("top_up__isnull", False), ("wallet", None)),
                    models.Q(("refund__isnull", False), ("top_up", None), ("wallet", None)),
                    _connector="OR",
                ),
                name="wallet_step_of_one",
            ),
        ),
        migrations.RunSQL(BALANCED, UNBALANCED),
        migrations.RunSQL(APPEND_ONLY, CHANGEABLE),
        migrations.RunSQL(FORWARD, ANY_WAY),
        migrations.RunSQL(ROOM, migrations.RunSQL.noop),
    ]
