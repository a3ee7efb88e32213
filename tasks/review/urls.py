"""Routes of the boards."""

from django.urls import URLPattern, URLResolver, path

from . import pages

urlpatterns: list[URLPattern | URLResolver] = [
    path("m/review/", pages.board, name="review"),
    path("m/review/names/", pages.names, name="review-names"),
    path("m/review/urge/", pages.urge, name="review-urge"),
    path("m/review/hand-over/", pages.hand_over, name="review-hand-over"),
    path("m/review/hand-over/undo/", pages.undo_hand_over, name="review-undo"),
    path("m/review/due/", pages.due, name="review-due"),
    path("m/review/skips/<int:pk>/", pages.decide, name="review-skip"),
    path("m/review/checks/<int:pk>/", pages.judge, name="review-check"),
    path("m/review/weeks/<int:pk>/talk/", pages.talk, name="review-talk"),
]
