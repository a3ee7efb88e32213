"""Scores of members: what they bought, how lately, and what that makes them."""

from .counting import recount_all, recount_members, settle_levels

__all__ = ["recount_all", "recount_members", "settle_levels"]
