"""What becomes of what was kept and asked for a member, and of his registered pieces, when he is forgotten."""

from yejibao.core.erasing import forget

_HIS = "member_id = ANY(%(ids)s)"
forget(
    "crm_reservation",
    f"UPDATE crm_reservation SET state = 'released', ended_at = %(now)s WHERE {_HIS} AND state = 'held'",
)
forget("crm_transferrequest", f"UPDATE crm_transferrequest SET note = '', member_id = NULL WHERE {_HIS}")
# A piece stays sold and registered: whoever scans it next must not become its owner. Whose it was is known to nobody.
forget("crm_itemcode", f"UPDATE crm_itemcode SET sale = '' WHERE {_HIS} AND sale <> ''")
