"""Routes of the boards."""

from django.urls import URLPattern, URLResolver, path

from . import act_pages, names_pages, pages

urlpatterns: list[URLPattern | URLResolver] = [
    path("m/review/", pages.board, name="review"),
    path("m/review/names/", names_pages.names, name="review-names"),
    path("m/review/urge/", act_pages.urge, name="review-urge"),
    path("m/review/hand-over/", act_pages.hand_over, name="review-hand-over"),
    path("m/review/hand-over/undo/", act_pages.undo_hand_over, name="review-undo"),
    path("m/review/due/", act_pages.due, name="review-due"),
    path("m/review/skips/<int:pk>/", act_pages.decide, name="review-skip"),
    path("m/review/checks/<int:pk>/", act_pages.judge, name="review-check"),
    path("m/review/weeks/<int:pk>/talk/", act_pages.talk, name="review-talk"),
]
