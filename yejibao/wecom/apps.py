"""App configuration."""

import logging

from django.apps import AppConfig


class WecomConfig(AppConfig):
    """The only door to Enterprise WeChat."""

    name = "yejibao.wecom"
    label = "wecom"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "企业微信"

    def ready(self) -> None:
        """Keep addresses with tokens out of the logs: urllib3 writes whole URLs at DEBUG."""
        from . import signs  # noqa: F401  registers with /statusz
        from .doctor import checks  # noqa: F401  registers with the doctor
        from .inbox import signs as inbox_signs  # noqa: F401  registers too

        logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)
