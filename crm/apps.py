from django.apps import AppConfig


class CrmConfig(AppConfig):
    name = "crm"

    def ready(self) -> None:
        from . import handlers  # noqa: F401  subscribes
        from .members import exporting  # noqa: F401  registers its list
        from .orders import health as till  # noqa: F401  registers signs of health
        from .scoring import health  # noqa: F401  registers signs of health
