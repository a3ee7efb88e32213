"""Routes of the room: the page beside the chat, and the members."""

from django.urls import URLPattern, URLResolver, path

from . import absence_pages, handover_pages, hq_card_pages, list_pages, owner_pages, pages, plan_pages

urlpatterns: list[URLPattern | URLResolver] = [
    path("g/sidebar/", pages.sidebar, name="sidebar"),
    path("g/sidebar/panel/<slug:name>/", pages.sidebar_panel, name="sidebar-panel"),
    path("g/members/", pages.members, name="members"),
    path("g/members/<uuid:public_id>/", pages.member, name="member"),
    path("hq/members/", list_pages.hq_members, name="hq-members"),
    path("hq/members/<uuid:public_id>/", hq_card_pages.hq_member, name="hq-member"),
    path("m/members/", list_pages.area_members, name="area-members"),
    path("m/members/<uuid:public_id>/owner/", owner_pages.owner, name="member-owner"),
    path("m/handovers/", handover_pages.handovers, name="handovers"),
    path("m/handovers/new/", absence_pages.new_handover, name="handover-new"),
    path("m/handovers/moves/<int:pk>/cancel/", absence_pages.cancel_move, name="move-cancel"),
    path("m/handovers/<int:pk>/", plan_pages.handover, name="handover"),
    path("m/handovers/<int:pk>/plan/", plan_pages.plan, name="handover-plan"),
    path("m/handovers/<int:pk>/confirm/", plan_pages.confirm, name="handover-confirm"),
    path("m/handovers/<int:pk>/withdraw/", plan_pages.withdraw, name="handover-withdraw"),
    path("m/handovers/<int:pk>/again/", plan_pages.again, name="handover-again"),
    path("m/handovers/<int:pk>/heir/", handover_pages.heir, name="handover-heir"),
]
