"""Reads across tables, by subject: the guide's day, what she sold, one task's story, the list for programs."""

from .day import Card, Day, Section, day_of, next_card, open_count
from .listing import TaskPage, list_tasks
from .sales import Sales, own_sales
from .story import Story, open_story, read_task, story_of

__all__ = [
    "Card", "Day", "Sales", "Section", "Story", "TaskPage", "day_of", "list_tasks", "next_card", "open_count", "open_story",
    "own_sales", "read_task", "story_of",
]  # fmt: skip
