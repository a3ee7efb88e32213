"""App configuration."""

from django.apps import AppConfig


class IntakeConfig(AppConfig):
    """How data of other systems comes in: sources, batches, rows that were refused. Rooms register what they take."""

    name = "yejibao.intake"
    label = "intake"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "数据接入"

    def ready(self) -> None:
        from . import health  # noqa: F401  registers signs of health
