"""The guards of the back office: two administrators at the same row, each told what the other did."""

from .declaring import condition, guard, lock
from .stories import office
from .taking_out import unique

GUARDS = [
    guard("units: renamed by one", "guides/org/units.py:rename_unit", condition(r'"guides_orgunit"\."name" = %s'),
          office.two_who_rename_a_unit),
    guard("units: ended once", "guides/org/units.py:end_unit", lock(), office.two_who_end_a_unit),
    guard("stores: what one saw", "guides/org/units.py:edit_store", lock(), office.two_who_edit_a_store),
    guard("stores: closed once", "guides/org/units.py:close_store", lock(), office.two_who_close_a_store),
    guard("stores: reopened once", "guides/org/units.py:reopen_store", lock(), office.two_who_reopen_a_store),
    guard("dealers: what one saw", "guides/org/units.py:edit_dealer", lock(), office.two_who_edit_a_dealer),
    guard("staff: what one saw", "guides/org/people.py:edit_person", lock(), office.two_who_edit_a_person),
    guard("staff: a post or a move", "guides/org/people.py:change_post", lock(),
          office.a_post_changes_while_a_move_is_planned),
    guard("jobs: switched by one", "yejibao/core/beats.py:switch", lock(), office.two_who_switch_a_job),
    guard("settings: changed by one", "yejibao/core/tunables.py:change", unique("core_settingchange", "setting_key_number"),
          office.two_who_change_a_setting),
    guard("secrets: noted once", "yejibao/core/secret_marks.py:notice", lock(), office.a_secret_noticed_twice),
    guard("outbox: stopped by one", "yejibao/core/outbox/deciding.py:park_many", lock(), office.two_who_stop_a_message),
]  # fmt: skip
