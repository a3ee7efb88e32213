from django.apps import AppConfig


class CrmConfig(AppConfig):
    name = "crm"

    def ready(self) -> None:
        from . import handlers  # noqa: F401  subscribes
        from .catalogue import intake as goods  # noqa: F401  registers what may come in
        from .members import exporting  # noqa: F401  registers its list
        from .members import intake as people  # noqa: F401  registers what may come in
        from .orders import health as till  # noqa: F401  registers signs of health
        from .orders import intake as sales  # noqa: F401  registers what may come in
        from .privacy import health as privacy  # noqa: F401  registers signs of health
        from .scoring import health  # noqa: F401  registers signs of health
