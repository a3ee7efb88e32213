"""Routes of the back office's pages on units, people and roles."""

from django.urls import URLPattern, path

from . import people_pages as people
from . import person_acts as acts
from . import role_pages as roles
from . import unit_pages as units

urlpatterns: list[URLPattern] = [
    path("hq/org/", units.tree, name="org"),
    path("hq/org/find/stores/", units.find_store, name="org-find-store"),
    path("hq/org/find/units/", units.find_unit, name="org-find-unit"),
    path("hq/org/dealers/", units.dealers, name="org-dealers"),
    path("hq/org/dealers/add/", units.add_dealer, name="org-dealer-add"),
    path("hq/org/dealers/<int:pk>/edit/", units.edit_dealer, name="org-dealer-edit"),
    path("hq/org/units/<int:pk>/", units.unit_page, name="org-unit"),
    path("hq/org/units/<int:pk>/children/", units.children, name="org-unit-children"),
    path("hq/org/units/<int:pk>/rename/", units.rename, name="org-unit-rename"),
    path("hq/org/units/<int:pk>/move/", units.move, name="org-unit-move"),
    path("hq/org/units/<int:pk>/add/", units.add, name="org-unit-add"),
    path("hq/org/units/<int:pk>/end/", units.end, name="org-unit-end"),
    path("hq/org/units/<int:pk>/store/", units.edit_store, name="org-store-edit"),
    path("hq/org/units/<int:pk>/close/", units.close_store, name="org-store-close"),
    path("hq/org/units/<int:pk>/reopen/", units.reopen_store, name="org-store-reopen"),
    path("hq/people/", people.people_list, name="people"),
    path("hq/people/new/", people.new_person, name="person-new"),
    path("hq/people/<int:pk>/", people.person_page, name="person"),
    path("hq/people/<int:pk>/edit/", acts.edit, name="person-edit"),
    path("hq/people/<int:pk>/phone/", acts.phone, name="person-phone"),
    path("hq/people/<int:pk>/account/", acts.rename, name="person-rename"),
    path("hq/people/<int:pk>/state/", acts.state, name="person-state"),
    path("hq/people/<int:pk>/resign/", acts.resign, name="person-resign"),
    path("hq/people/<int:pk>/move/", acts.move, name="person-move"),
    path("hq/people/<int:pk>/move/cancel/", acts.cancel_move, name="person-move-cancel"),
    path("hq/people/<int:pk>/post/", acts.post, name="person-post"),
    path("hq/people/<int:pk>/lend/", acts.lend, name="person-lend"),
    path("hq/people/<int:pk>/roles/", acts.grant, name="person-grant"),
    path("hq/people/<int:pk>/roles/<int:held>/end/", acts.end_grant, name="person-grant-end"),
    path("hq/people/<int:pk>/password/", acts.password, name="person-password"),
    path("hq/roles/", roles.roles, name="roles"),
    path("hq/roles/<slug:key>/", roles.role, name="role"),
]
