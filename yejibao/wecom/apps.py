"""App configuration."""

from django.apps import AppConfig


class WecomConfig(AppConfig):
    """The only door to Enterprise WeChat."""

    name = "yejibao.wecom"
    label = "wecom"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "企业微信"
