"""Routes of votes."""

from django.urls import path

from . import pages

urlpatterns = [
    path("g/votes/", pages.votes, name="votes"),
    path("g/votes/<int:pk>/", pages.vote, name="vote"),
    path("m/votes/", pages.kept, name="votes-kept"),
    path("m/votes/new/", pages.new, name="vote-new"),
    path("m/votes/<int:pk>/", pages.one, name="vote-kept"),
    path("m/votes/<int:pk>/withdraw/", pages.withdraw, name="vote-withdraw"),
]
