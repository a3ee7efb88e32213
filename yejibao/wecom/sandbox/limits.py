"""The platform's limits: the figures the stand-in keeps to, and how it counts against them."""

from collections import deque
from dataclasses import dataclass


@dataclass
class Figures:
    """Every limit with the platform's own value; `POST /control/settings` changes them."""

    token_seconds: int = 7200
    expired_grace_seconds: int = 600  # an expired token answers 42001 that long, then 40014
    wrong_secrets: int = 10
    wrong_secret_block_seconds: int = 3600
    ticket_corp_hour: int = 400
    ticket_app_hour: int = 100
    basic_minute: int = 10_000
    basic_hour: int = 150_000
    code_seconds: int = 300
    account_cap: int = 10_000
    messages_per_account_day: int = 200
    member_minute: int = 30
    member_hour: int = 1000
    duplicate_default_seconds: int = 1800
    duplicate_max_seconds: int = 14_400
    recall_seconds: int = 86_400
    response_code_seconds: int = 259_200
    contact_concurrency: int = 20
    transfer_seconds: int = 86_400
    contacts_each: int = 50_000  # of one member
    welcome_seconds: int = 20
    ways_most: int = 500_000
    corp_tags_most: int = 10_000
    tags_each: int = 3000  # on one customer of one member
    api_tells: bool = False  # whether an app's own tag calls are told to the apps like a person's
    mass_dispatch_seconds: int = 3
    mass_month_most: int = 0  # mass messages a customer gets; 0: as many as the month has days
    moment_job_seconds: int = 5
    keep_per_person: int = 1000
    keep_calls: int = 2000


class Window:
    """Counts of one fixed minute and hour with a block once a limit is passed (basic frequency)."""

    __slots__ = ("blocked_until", "hour", "in_hour", "in_minute", "minute")

    def __init__(self) -> None:
        self.minute = self.hour = -1
        self.in_minute = self.in_hour = 0
        self.blocked_until = 0.0

    def hit(self, now: float, *, minute: int, hour: int) -> bool:
        """Count one call; False when it is over a limit or the block of an earlier one still holds."""
        if now < self.blocked_until:
            return False
        if (index := int(now // 60)) != self.minute:
            self.minute, self.in_minute = index, 0
        if (index := int(now // 3600)) != self.hour:
            self.hour, self.in_hour = index, 0
        self.in_minute += 1
        self.in_hour += 1
        if self.in_hour > hour:
            self.blocked_until = now + 3600
        elif self.in_minute > minute:
            self.blocked_until = now + 60
        return now >= self.blocked_until


class Peak:
    """The most events in any window of a length: `marks` holds those of the window that ends now."""

    __slots__ = ("marks", "most", "seconds")

    def __init__(self, seconds: float) -> None:
        self.seconds, self.most = seconds, 0
        self.marks: deque[float] = deque()

    def add(self, at: float) -> None:
        marks, edge = self.marks, at - self.seconds
        while marks and not edge < marks[0] <= at:
            marks.popleft()
        marks.append(at)
        if len(marks) > self.most:
            self.most = len(marks)
