"""Surveys are asked, answered, replied to, and become tags and complaints."""

from .answering import AnsweredAlready, Given, SurveyOver, answer, find_by_token, rate_ticket, want_surveys, whose
from .asking import ask_due
from .replying import RepliedAlready, reply
from .tagging import age_tags, write_tags_of

__all__ = [
    "AnsweredAlready",
    "Given",
    "RepliedAlready",
    "SurveyOver",
    "age_tags",
    "answer",
    "ask_due",
    "find_by_token",
    "rate_ticket",
    "reply",
    "want_surveys",
    "whose",
    "write_tags_of",
]
