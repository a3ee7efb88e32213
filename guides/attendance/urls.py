"""Routes of the roster and of leave."""

from django.urls import URLPattern, path

from . import leave_pages as leave
from . import pages as roster
from . import shift_pages as hours

urlpatterns: list[URLPattern] = [
    path("m/shifts/", roster.shifts, name="shifts"),
    path("m/shifts/copy/", roster.copy_last_week, name="shifts-copy"),
    path("m/shifts/fill/", roster.fill_empty_days, name="shifts-fill"),
    path("m/shifts/<int:pk>/", roster.set_day, name="shift-set"),
    path("g/shifts/", roster.own_week, name="own-week"),
    path("g/leave/", leave.own_leaves, name="own-leaves"),
    path("g/leave/<int:pk>/", leave.own_leave, name="leave"),
    path("m/leave/", leave.leaves, name="leaves"),
    path("m/leave/<int:pk>/", leave.decide_leave, name="leave-decide"),
    path("hq/shifts/", hours.hours, name="shift-hours"),
    path("hq/shifts/time/", hours.save_time, name="shift-time"),
    path("hq/shifts/holiday/", hours.save_holiday, name="holiday"),
]
