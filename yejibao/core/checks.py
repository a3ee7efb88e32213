"""Start-up checks: production refuses to start with a laptop's values."""

from typing import Any

from django.conf import settings
from django.core.checks import Error, register


@register()
def production_is_configured(app_configs: Any, **_: Any) -> list[Error]:
    """Refuse DEBUG, default secrets, missing keys, any host, the sandbox's address and a turned clock in production."""
    if not settings.PRODUCTION:
        return []
    wrong = {
        "DEBUG is on": settings.DEBUG,
        "YEJIBAO_SECRET_KEY is missing": settings.SECRET_KEY == settings.INSECURE_SECRET,
        "YEJIBAO_DATA_KEYS is missing": not settings.DATA_KEYS,
        "YEJIBAO_INDEX_KEY is missing": not settings.INDEX_KEY,
        "ALLOWED_HOSTS lets any host in": "*" in settings.ALLOWED_HOSTS or not settings.ALLOWED_HOSTS,
        "WECOM_API_BASE is not the platform's": not settings.WECOM_API_BASE.startswith("https://"),
        "WECOM_SANDBOX_CONTROL is set": bool(settings.WECOM_SANDBOX_CONTROL),
        "YEJIBAO_CLOCK_FILE is set": bool(settings.CLOCK_FILE),
        "a WECOM_CALLBACK_*_AES_KEY has not 43 characters": any(
            len(aes_key) != 43 for _token, aes_key in settings.WECOM_CALLBACKS.values()
        ),
    }
    return [Error(text, id=f"yejibao.E{number:03}") for number, (text, bad) in enumerate(wrong.items(), 1) if bad]
