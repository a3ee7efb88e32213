"""Sign-in by OAuth inside Enterprise WeChat: where to send the browser, and who came back."""

from urllib.parse import urlencode

from django.conf import settings

from . import gateway
from .gateway import Gateway


def authorize_url(state: str, redirect: str) -> str:
    """Return the address that asks the platform, silently, who is holding this phone.

    `state` is letters and digits only; `redirect` is the full address to come back to, on a trusted domain of the app.
    Raises ValueError for a state the platform would refuse.
    """
    if not (state.isascii() and state.isalnum() and len(state) <= 128):
        raise ValueError("state is 1-128 letters and digits")
    query = urlencode(
        {
            "appid": settings.WECOM_CORP_ID,
            "redirect_uri": redirect,
            "response_type": "code",
            "scope": "snsapi_base",
            "state": state,
            "agentid": settings.WECOM_AGENT_ID,
        }
    )
    return f"{settings.WECOM_OAUTH_BASE.rstrip('/')}/connect/oauth2/authorize?{query}#wechat_redirect"


def exchange(code: str, *, door: Gateway | None = None) -> str:
    """Swap the one-time code for the lower-cased user id; empty for somebody outside the corp.

    Raises GatewayError: 40029, 42003 and 42022 mean that the sign-in has to start again.
    """
    return (door or gateway.default()).get_user_by_code(code).userid


def scan_url(state: str, redirect: str) -> str:
    """Return the address of the QR code page, for a desktop browser; the stand-in has one of its own.

    Source: WeCom docs, 企业微信登录, wwlogin. The code that comes back is swapped as any other.
    """
    base = (
        settings.WECOM_OAUTH_BASE.rstrip("/") if settings.WECOM_SANDBOX_CONTROL else "https://login.work.weixin.qq.com"
    )
    query = urlencode(
        {
            "login_type": "CorpApp",
            "appid": settings.WECOM_CORP_ID,
            "agentid": settings.WECOM_AGENT_ID,
            "redirect_uri": redirect,
            "state": state,
        }
    )
    return f"{base}/wwlogin/sso/login?{query}"
