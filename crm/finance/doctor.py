"""上线体检 of WeChat Pay: keys, address, whether the platform lets us in and we believe its answers, its notices, its bills.

It stands here because the report is the WeCom door's and the two doors do not know each other.
"""

import requests
from django.conf import settings

from yejibao.core import clock
from yejibao.wechatpay import account, gateway
from yejibao.wechatpay.errors import Kind, PayError
from yejibao.wechatpay.models import PayNotice
from yejibao.wechatpay.notices.refusals import refused_on
from yejibao.wecom.doctor import SKIPPED, Finding, Patient, ask, check, ok, wrong

from .models import FinanceDay

PLATFORM = "https://api.mch.weixin.qq.com"
CONSOLE = "pay.weixin.qq.com → 账户中心 → API安全"
OFF = ok("没有设 WECHATPAY_MCHID：不收微信支付")
SECONDS = 5.0
V3_KEY_BYTES = 32


@check("pay_keys", "微信支付密钥", order=200)
def _keys(patient: Patient) -> Finding:
    if not account.is_on():
        return OFF
    if len(settings.WECHATPAY_API_V3_KEY.encode()) != V3_KEY_BYTES:
        return wrong("WECHATPAY_API_V3_KEY 不是 32 个字符", "在商户平台重新设置，整段复制", CONSOLE)
    if not settings.WECHATPAY_PUBLIC_KEY_ID.startswith("PUB_KEY_ID_"):
        return wrong("WECHATPAY_PUBLIC_KEY_ID 应以 PUB_KEY_ID_ 开头", "用“微信支付公钥”方式，照抄公钥 ID", CONSOLE)
    try:
        gateway.default()
    except Exception:  # noqa: BLE001  the library says no more than that a key does not load
        return wrong("商户私钥或微信支付公钥读不出来", "两把都要 PEM 格式，或者用 …_FILE 指到文件", CONSOLE)
    return ok(f"商户号 {settings.WECHATPAY_MCHID}，小程序 {settings.WECHATPAY_APPID}")


@check("pay_call", "微信支付能调用", order=210)
def _call(patient: Patient) -> Finding:
    if not account.is_on():
        return OFF
    if patient.is_wrong("pay_keys"):
        return SKIPPED
    try:
        gateway.default().check_keys()
    except PayError as error:
        if error.code == "SIGNERROR" or error.status == 401:
            return wrong(
                "微信支付不认我们的签名", "核对商户私钥和 WECHATPAY_SERIAL_NO（证书序列号），服务器要对时", CONSOLE
            )
        if error.kind in (Kind.ADMIN, Kind.PERMANENT):
            return wrong(
                f"微信支付拒绝了（{error.code}）",
                "核对商户号、小程序和它们的绑定、产品权限、微信支付公钥 ID",
                f"{CONSOLE}；产品中心 → AppID账号管理",
            )
        if error.kind is Kind.TRANSIENT:
            return wrong("连不上微信支付的服务器", f"查这台机器能否访问 {PLATFORM}（防火墙、DNS）", "服务器网络")
        return wrong("微信支付的回答验不了签名，或者没有回答", "核对微信支付公钥和公钥 ID；过一分钟再检查", CONSOLE)
    if settings.WECHATPAY_API_BASE != PLATFORM:
        if settings.PRODUCTION:
            return wrong("正式环境没有连微信支付，连的是别处", f"改成 {PLATFORM}", "环境变量 WECHATPAY_API_BASE")
        return ok("连的是沙箱，它认我们的签名")
    return ok("微信支付认我们的签名")


@check("pay_notice", "支付通知", order=220)
def _notice(patient: Patient) -> Finding:
    if not account.is_on():
        return OFF
    address = account.notify_url(settings.WECHATPAY_MCHID)
    if settings.PRODUCTION and not address.startswith("https://"):
        return wrong(
            f"{address} 不是 https，微信支付不会通知", "PUBLIC_BASE_URL 改成 https", "环境变量 PUBLIC_BASE_URL"
        )
    try:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.post(address, json={}, timeout=SECONDS, allow_redirects=False)
    except requests.RequestException:
        return wrong(f"打不开 {address}", "查域名解析、证书和 nginx；/callbacks/ 要转给业绩宝", "服务器")
    if answer.status_code not in (400, 401):
        return wrong(
            f"{address} 没有按规矩拒绝空通知（HTTP {answer.status_code}）",
            "nginx 要把 /callbacks/ 原样转给业绩宝",
            "服务器",
        )
    refused = refused_on(patient.now)
    newest = PayNotice.objects.order_by("-pk").values_list("received_at", flat=True).first()
    if forged := refused.get("signature", 0) + refused.get("decrypt", 0):
        return ask(
            f"今天有 {forged} 次通知验签或解密没过",
            "若是真的支付，核对微信支付公钥和 APIv3 密钥；否则是有人在试",
            CONSOLE,
        )
    return ok("通知地址能打开" + (f"，最近一次 {clock.local_day(newest)}" if newest else ""))


@check("pay_bill", "微信账单", order=230)
def _bill(patient: Patient) -> Finding:
    if not account.is_on():
        return OFF
    newest = FinanceDay.objects.order_by("-day").first()
    if newest is None:
        return ok("还没有对过账：每天 10:30 自动取前一天的账单")
    if newest.state == FinanceDay.State.WAITING:
        return ask(
            f"{newest.day} 的账单没有取到（{newest.error}）",
            "确认商户平台给了“账单下载”权限，过一小时再看",
            "产品中心 → 开发配置",
        )
    return ok(f"最近对到 {newest.day}")
