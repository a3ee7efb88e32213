from django.apps import AppConfig


class TasksConfig(AppConfig):
    name = "tasks"

    def ready(self) -> None:
        from crm.members.scoped import add_work

        from . import doctor, handlers  # noqa: F401  registers, subscribes
        from .cadences import merging
        from .followups import health, next_work, push  # noqa: F401  registers signs of health, what 下一步 knows, renderers
        from .followups.scoped import members_with_open_work
        from .review import day_facts, exporting, store_facts  # noqa: F401  registers figures and its list
        from .review import health as figures  # noqa: F401  registers signs of health
        from .review import push as lists  # noqa: F401  registers renderers

        add_work(members_with_open_work)
        merging.register()
