"""How the department forgets a member, and which rows of this room stay behind when two members become one.

Orders, order lines and amounts stay: the law wants them for their term, and without the member's row they name nobody. So do
the records of consent and of the request itself: they prove that we did what he asked.
"""

from datetime import timedelta

from crm.aftersale.intake import SAID
from crm.orders.intake import SEALED
from yejibao.core.erasing import forget, remember
from yejibao.core.rotation import also_in
from yejibao.core.wearing import wear_out

# For merges: what the kept member has himself stays with the one who goes.
HAS_PARTICULARS = "EXISTS (SELECT 1 FROM crm_memberparticulars k WHERE k.member_id = %(kept)s)"
ASKS_THE_SAME = (
    "t.state IN ('asked', 'checked', 'approved') AND EXISTS (SELECT 1 FROM crm_memberrequest k "
    "WHERE k.member_id = %(kept)s AND k.kind = t.kind AND k.state IN ('asked', 'checked', 'approved'))"
)

_EXTERNAL = "SELECT external_user_id FROM crm_friendlink WHERE member_id = ANY(%(ids)s)"

forget(
    "crm_linkreview",
    f"DELETE FROM crm_linkreview WHERE member_id = ANY(%(ids)s) OR candidate_ids && %(ids)s::bigint[] "
    f"OR contact_id IN (SELECT id FROM crm_contact WHERE external_user_id IN ({_EXTERNAL}))",
    order=10,
)
forget("crm_contact", f"DELETE FROM crm_contact WHERE external_user_id IN ({_EXTERNAL})", order=20)
forget(
    "wecom_welcomemessage",
    f"UPDATE wecom_welcomemessage SET text = '', external_userid = '' WHERE external_userid IN ({_EXTERNAL})",
    order=20,
)
forget(
    "wecom_masstarget",
    f"UPDATE wecom_masstarget SET target = 'erased-' || id WHERE target IN ({_EXTERNAL})",
    order=20,
)
forget(
    "crm_friendtags",
    "UPDATE crm_friendtags SET agreed = '{}' WHERE link_id IN (SELECT id FROM crm_friendlink WHERE member_id = ANY(%(ids)s))",
    order=20,
)
# Whether the two stay friends in WeChat is theirs: the platform goes on listing the relation, now of a customer without a card.
forget(
    "crm_friendlink",
    "UPDATE crm_friendlink SET member_id = NULL, remark = '', phone_indexes = '{}', corp_tag_ids = '{}' "
    "WHERE member_id = ANY(%(ids)s)",
    order=30,
)
for table in ("crm_memberidentity", "crm_membertag", "crm_tagchange", "crm_memberparticulars", "crm_tierrank"):
    forget(table, f"DELETE FROM {table} WHERE member_id = ANY(%(ids)s)")
forget("crm_order", "UPDATE crm_order SET guide_note = '' WHERE member_id = ANY(%(ids)s) AND guide_note <> ''")
forget(
    "crm_ticket",
    "UPDATE crm_ticket SET description = '', topic = '', wish = '{}', result = '', rating_words = '' WHERE member_id = ANY(%(ids)s)",
)
forget(
    "crm_sale",
    "UPDATE crm_sale SET note = '', close_reason = '' WHERE member_id = ANY(%(ids)s) AND note || close_reason <> ''",
)
forget(
    "crm_salerefund",
    "UPDATE crm_salerefund SET note = '' WHERE note <> '' AND order_id IN (SELECT id FROM crm_order WHERE member_id = ANY(%(ids)s))",
)
forget(
    "crm_servicecheck",
    "UPDATE crm_servicecheck SET comment = '' WHERE comment <> '' AND ticket_id IN (SELECT id FROM crm_ticket WHERE member_id = ANY(%(ids)s))",
)
forget(
    "crm_ticketstep",
    "UPDATE crm_ticketstep SET text = '' WHERE text <> '' AND ticket_id IN (SELECT id FROM crm_ticket WHERE member_id = ANY(%(ids)s))",
)
forget(
    "crm_careslip",
    "UPDATE crm_careslip SET flaws = '', measures = '' WHERE ticket_id IN (SELECT id FROM crm_ticket WHERE member_id = ANY(%(ids)s))",
)
forget(
    "core_storedfile",
    """
    UPDATE core_storedfile SET owner_id = NULL WHERE room = 'aftersale' AND owner_id IN (
        SELECT s.id FROM crm_ticketstep s JOIN crm_ticket t ON t.id = s.ticket_id WHERE t.member_id = ANY(%(ids)s))
    """,  # what belongs to nothing any more is swept two days later
)
forget(
    "crm_membermerge",
    "UPDATE crm_membermerge SET reason = '' WHERE kept_id = ANY(%(ids)s) OR gone_id = ANY(%(ids)s)",
)
forget("crm_memberrequest", "UPDATE crm_memberrequest SET wish = '' WHERE member_id = ANY(%(ids)s) AND wish <> ''")
forget(
    "crm_member",
    """
    UPDATE crm_member SET name = '已注销会员', salutation = '', member_no = 'gone-' || id, public_id = gen_random_uuid(),
        gender = 'u', phone = '', phone_index = '', phone_last4 = '', birth_month = NULL, birth_day = NULL, birth_year = '',
        birthday_calendar = 'solar', owner_guide_id = NULL, join_channel = '', registered_at = NULL,
        status = CASE status WHEN 'merged' THEN 'merged' ELSE 'closed' END, do_not_contact = true, phone_consent = false,
        marketing_opt_out = '{wecom_message,manual_call,sms,wecom_moment,group_message}', no_profiling = true,
        live_matching = false, tier_631 = 'unconsumed', tier_631_rank = NULL, tier_631_store = 'unconsumed',
        lifecycle_stage = 'potential', purchase_node = 'none', last_contact_on = NULL
    WHERE id = ANY(%(ids)s)
    """,
    order=90,
)

# By what he would come back with the next feed. `phone` is the blind index, as the columns hold it.
remember(
    """
    SELECT id, 'card', member_no FROM crm_member WHERE id = ANY(%(ids)s) AND member_no <> 'gone-' || id
    UNION SELECT id, 'phone', phone_index FROM crm_member WHERE id = ANY(%(ids)s) AND phone_index <> ''
    UNION SELECT member_id, CASE kind WHEN 'phone' THEN 'phone' ELSE 'card' END, value FROM crm_memberidentity
        WHERE member_id = ANY(%(ids)s) AND kind IN ('phone', 'pos_card')
    """
)

# Rows a source sent of him and that were refused: cards by number or phone, orders by the marks of who they name.
forget(
    "intake_refusedrow",
    """
    DELETE FROM intake_refusedrow WHERE kind = 'members' AND (
            split_part(key, '#', 1) IN (SELECT member_no FROM crm_member WHERE id = ANY(%(ids)s))
            OR cells->>'phone_index' IN (SELECT phone_index FROM crm_member WHERE id = ANY(%(ids)s) AND phone_index <> '')
            OR cells->'phone_former' ?| ARRAY(SELECT phone_index::text FROM crm_member WHERE id = ANY(%(ids)s) AND phone_index <> ''))
        OR kind = 'orders' AND cells->'who' ?| %(marks)s
        OR kind = 'tickets' AND cells->>'order' IN (SELECT number FROM crm_order WHERE member_id = ANY(%(ids)s))
    """,
    order=20,
)
# Their personal cells are encrypted for the columns they were meant for.
also_in("intake_refusedrow", "cells", places=(SEALED, SAID))
also_in("intake_stagedrow", "cells", places=(SEALED, SAID), keys=("batch", "place"))

# What wears out by itself (pii_catalogue.yaml, retention).
wear_out(
    "core_idempotencykey", "created_at", timedelta(days=30), None
)  # the answers of commands name whom they were about
wear_out("wecom_welcomemessage", "happened_at", timedelta(days=180), "text = '', external_userid = ''")
wear_out(
    "crm_ticket", "opened_at", timedelta(days=1096), "description = '', wish = '{}', result = '', rating_words = ''",
    only="closed_at IS NOT NULL",
)  # fmt: skip
wear_out("crm_sale", "created_at", timedelta(days=1096), "note = '', close_reason = ''", only="state NOT IN ('draft')")
wear_out("crm_salerefund", "asked_at", timedelta(days=1096), "note = ''")
wear_out("crm_ticketstep", "at", timedelta(days=1096), "text = ''")
wear_out("crm_servicecheck", "drawn_at", timedelta(days=1096), "comment = ''")
wear_out("crm_careslip", "received_at", timedelta(days=1096), "flaws = '', measures = ''")
