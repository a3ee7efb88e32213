from django.apps import AppConfig


class GuidesConfig(AppConfig):
    name = "guides"

    def ready(self) -> None:
        from . import handlers  # noqa: F401  subscribes
        from .org import doctor  # noqa: F401  registers
