"""Routes of the room: 今日, the task page and the acts on a task, for people and for programs."""

from django.urls import URLPattern, URLResolver, path

from . import api, next_pages, pages, ticket_pages, today_pages

urlpatterns: list[URLPattern | URLResolver] = [
    path("g/today/", today_pages.today, name="today"),
    path("g/today/list/", today_pages.today_list, name="today-list"),
    path("g/tasks/<int:pk>/", pages.task, name="task"),
    path("g/tasks/<int:pk>/menu/", pages.menu, name="task-menu"),
    path("g/tasks/<int:pk>/send/", pages.send, name="task-send"),
    path("g/tasks/<int:pk>/claimed/", pages.claimed, name="task-claimed"),
    path("g/tasks/<int:pk>/call/", pages.call, name="task-call"),
    path("g/tasks/<int:pk>/phone/", pages.phone, name="task-phone"),
    path("g/tasks/<int:pk>/outcome/", pages.outcome, name="task-outcome"),
    path("g/tasks/<int:pk>/undo/", pages.undo, name="task-undo"),
    path("g/tasks/<int:pk>/later/", pages.later, name="task-later"),
    path("g/tasks/<int:pk>/skip/", pages.skip, name="task-skip"),
    path("g/tasks/<int:pk>/fit/", ticket_pages.fit, name="task-fit"),
    path("g/tasks/<int:pk>/fit/take-back/", ticket_pages.take_back, name="task-fit-take-back"),
    path("g/members/<uuid:public_id>/next/", next_pages.take, name="next-best"),
    path("api/v1/tasks/", api.TaskListView.as_view(), name="api-tasks"),
    path("api/v1/tasks/<int:pk>/", api.TaskView.as_view(), name="api-task"),
    path("api/v1/tasks/<int:pk>/send/", api.SendView.as_view(), name="api-task-send"),
    path("api/v1/tasks/<int:pk>/sent/", api.SentView.as_view(), name="api-task-sent"),
    path("api/v1/tasks/<int:pk>/claimed/", api.ClaimedView.as_view(), name="api-task-claimed"),
    path("api/v1/tasks/<int:pk>/call/", api.CallView.as_view(), name="api-task-call"),
    path("api/v1/tasks/<int:pk>/outcome/", api.OutcomeView.as_view(), name="api-task-outcome"),
    path("api/v1/tasks/<int:pk>/undo/", api.UndoView.as_view(), name="api-task-undo"),
    path("api/v1/tasks/<int:pk>/later/", api.LaterView.as_view(), name="api-task-later"),
    path("api/v1/tasks/<int:pk>/skip-request/", api.SkipRequestView.as_view(), name="api-task-skip-request"),
]
