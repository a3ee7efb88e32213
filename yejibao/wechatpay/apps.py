"""App configuration."""

from django.apps import AppConfig


class WechatpayConfig(AppConfig):
    """The only door to WeChat Pay."""

    name = "yejibao.wechatpay"
    label = "wechatpay"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "微信支付"

    def ready(self) -> None:
        from . import signs  # noqa: F401  registers with /statusz
