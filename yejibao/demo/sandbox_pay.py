"""WeChat's own sheet on the member's phone in `/sandbox/`: 确认支付. The stand-in of WeChat Pay pays, and calls the product."""

import logging
import urllib.error

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from crm.portal.middleware import session_of
from crm.portal.paying import payer_of
from yejibao.core import access
from yejibao.core.errors import Conflict, SignInRequired, Unavailable

from .sandbox_control import SandboxControl
from .sandbox_holder import only_with_stand_in, read_body

log = logging.getLogger(__name__)

PACKAGE = "prepay_id="


@require_POST
@access.anonymous("paying in the stand-in of WeChat; without one it answers 404")
@only_with_stand_in
def pay(request: HttpRequest) -> HttpResponse:
    """Pay what `requestPayment` was given, with the account of the member whose phone this is."""
    body, session = read_body(request), session_of(request)
    package = str(body.get("package") or "")
    if session is None:
        raise SignInRequired(_("先打开一位会员的手机"))
    if not package.startswith(PACKAGE) or not body.get("paySign"):
        raise Conflict(_("微信不认这次支付：参数不对"))
    asked = {"prepay_id": package.removeprefix(PACKAGE), "openid": payer_of(session)}
    try:
        SandboxControl(settings.WECHATPAY_SANDBOX_CONTROL).call("POST", "pay", body=asked)
    except urllib.error.HTTPError as error:
        log.warning("pay sandbox refused: %s", error.read(300).decode(errors="replace"))
        raise Conflict(_("微信没有付成：这一单已经付过、关了，或者不是您的")) from None
    except (OSError, ValueError) as error:
        raise Unavailable(_("微信支付沙箱没有开，用 bin/run 启动时会一起打开")) from error
    return JsonResponse({"ok": True})
