from django.apps import AppConfig


class TasksConfig(AppConfig):
    name = "tasks"

    def ready(self) -> None:
        from . import handlers  # noqa: F401  subscribes
        from .followups import health, push  # noqa: F401  registers signs of health and renderers
        from .review import push as lists  # noqa: F401  registers renderers
