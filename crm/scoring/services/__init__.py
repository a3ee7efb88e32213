"""Scores of members: what they bought, how lately, and what that makes them."""

from .counting import recount_all, recount_members, settle_levels
from .tiers import cut_sizes, last_month_end, rank_tiers

__all__ = ["cut_sizes", "last_month_end", "rank_tiers", "recount_all", "recount_members", "settle_levels"]
