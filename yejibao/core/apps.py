from django.apps import AppConfig
from django.conf import settings


class CoreConfig(AppConfig):
    name = "yejibao.core"
    label = "core"

    def ready(self) -> None:
        from . import checks, logs, signs  # noqa: F401  registers the start-up checks and signs of health

        if settings.LOG_FORMAT == "json":
            logs.take_over_uncaught()
