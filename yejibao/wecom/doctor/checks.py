"""What can be wrong between the console and this installation, in the order in which one would mend it (wecom-api §10, §11)."""

import re
import secrets
import time
from datetime import timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import requests
from django.conf import settings
from django.db import connection

from yejibao.core import clock
from yejibao.core.words import ago

from ..errors import GatewayError
from ..inbox import crypto, receivers
from ..inbox.models import InboxEntry
from . import SKIPPED, Finding, Patient, ask, check, ok, wrong

PLATFORM = "https://qyapi.weixin.qq.com/cgi-bin/"
SECONDS = 5.0
MAX_CLOCK_SECONDS = 2.0
MAX_PLATFORM_SECONDS = 60.0  # its Date has whole seconds, and a signature may be minutes old
LOOKED_BACK = timedelta(days=7)
ANSWER_SECONDS = 1.0  # the console gives the receiver's address no longer

APP = "应用管理 → 自建 → 业绩宝"
CONTACT = "客户与上下游 → 客户联系"

# errcode of gettoken: what it says, what to do, where.
TOKEN_CODES = {
    40013: ("企业 ID（corpid）不对", "照控制台抄一遍 WECOM_CORP_ID", "我的企业 → 企业信息 → 企业 ID"),
    40001: (
        "Secret 不对、已被重置，或应用已停用",
        "重新查看 Secret，填进 WECOM_SECRET；并确认应用是启用的",
        f"{APP} → Secret",
    ),
    40091: ("Secret 不对", "重新查看 Secret，填进 WECOM_SECRET", f"{APP} → Secret"),
    50003: ("应用被停用了", "在控制台里启用应用", APP),
    60020: ("这台服务器的出口 IP 不在企业可信 IP 里", "把出口 IP 加进去，约 1 分钟后生效", f"{APP} → 企业可信IP"),
    45009: (
        "请求太多，或 Secret 错了太多次，IP 被挡一小时",
        "改对 Secret，一小时后再检查；这期间不要反复重启",
        f"{APP} → Secret",
    ),
}


@check("settings", "密钥与编号", order=10)
def _settings(patient: Patient) -> Finding:
    if not re.fullmatch(r"(ww|wx|wp)[0-9a-zA-Z_-]{16,40}", settings.WECOM_CORP_ID):
        return wrong(
            "WECOM_CORP_ID 不像企业 ID（应以 ww 开头，共 18 位）", "照控制台抄一遍", "我的企业 → 企业信息 → 企业 ID"
        )
    if settings.WECOM_AGENT_ID < 1_000_000:
        return wrong(
            f"WECOM_AGENT_ID={settings.WECOM_AGENT_ID} 不像自建应用的 AgentId（7 位数字）",
            "照控制台抄一遍",
            f"{APP} → AgentId",
        )
    if len(settings.WECOM_SECRET.strip()) < 20 or settings.WECOM_SECRET != settings.WECOM_SECRET.strip():
        return wrong("WECOM_SECRET 太短，或前后有空格", "重新查看 Secret，整段复制", f"{APP} → Secret")
    return ok(f"企业 {settings.WECOM_CORP_ID}，应用 {settings.WECOM_AGENT_ID}")


@check("base", "接口地址", order=20)
def _base(patient: Patient) -> Finding:
    if settings.WECOM_API_BASE == PLATFORM:
        return ok("连的是企业微信正式接口")
    if not settings.WECOM_API_BASE.endswith("/cgi-bin/"):
        return wrong(
            f"WECOM_API_BASE={settings.WECOM_API_BASE} 末尾不是 /cgi-bin/",
            f"改成 {PLATFORM}",
            "环境变量 WECOM_API_BASE",
        )
    if settings.PRODUCTION:
        return wrong("正式环境没有连企业微信，连的是别处", f"改成 {PLATFORM}", "环境变量 WECOM_API_BASE")
    return ok("连的是沙箱（试用环境）；上线时改成正式接口地址")


@check("token", "Secret 能换到令牌", order=30)
def _token(patient: Patient) -> Finding:
    error = patient.token_error
    if error is None:
        return ok("换到了")
    if error.code is not None and patient.is_wrong("settings"):
        return SKIPPED
    if error.code in TOKEN_CODES:
        return wrong(*TOKEN_CODES[error.code])
    if error.code is None:
        return wrong(
            "连不上企业微信的服务器", "查这台机器能否访问 qyapi.weixin.qq.com:443（防火墙、DNS）", "服务器网络"
        )
    return wrong(f"企业微信拒绝了（错误码 {error.code}）", "按错误码在企业微信文档里查", f"{APP}")


@check("agent", "应用已启用、可信 IP", order=40)
def _agent(patient: Patient) -> Finding:
    if patient.token_error:
        return SKIPPED
    try:
        agent = patient.agent
    except GatewayError as error:
        if error.code in (301002, 40056):
            return wrong("AgentId 与 Secret 不是同一个应用的", "两个值从同一个应用页面抄", f"{APP} → AgentId、Secret")
        return wrong(
            *TOKEN_CODES.get(error.code or 0, (f"企业微信拒绝了（错误码 {error.code}）", "按错误码查文档", APP))
        )
    if agent.get("close"):
        return wrong("应用被停用了", "在控制台里启用应用", APP)
    return ok("应用已启用，这台服务器的 IP 可以调用")


@check("domain", "可信域名", order=60, is_online=True)
def _domain(patient: Patient) -> Finding:
    ours, theirs = urlsplit(settings.PUBLIC_BASE_URL).netloc, str(patient.agent.get("redirect_domain") or "")
    where = f"{APP} → 网页授权及JS-SDK → 可信域名"
    if not theirs:
        return wrong("没有设可信域名，导购登录会失败", f"填 {ours}", where)
    if theirs != ours:
        return wrong(f"可信域名是 {theirs}，而业绩宝的地址是 {ours}；要完全一致，端口也算", f"改成 {ours}", where)
    return ok(f"{ours}")


@check("verify_file", "域名校验文件", order=70)
def _verify_file(patient: Patient) -> Finding:
    where = "环境变量 WECOM_VERIFY_FILES；文件名见 可信域名 → 申请校验域名"
    if not settings.WECOM_VERIFY_FILES:
        if not settings.PRODUCTION:
            return ok("试用环境不需要")
        return wrong("没有配置 WW_verify_*.txt，域名归属校验不了", "把控制台给的文件名填进 WECOM_VERIFY_FILES", where)
    for name in settings.WECOM_VERIFY_FILES:
        answer = _look(f"{settings.PUBLIC_BASE_URL}/{name}")
        wanted = name.removeprefix("WW_verify_").removesuffix(".txt")
        if answer is None or answer.status_code != 200 or answer.text.strip() != wanted:
            return wrong(
                f"从外面打不开 {settings.PUBLIC_BASE_URL}/{name}",
                "确认 nginx 把域名根目录下的 WW_verify_*.txt 转给业绩宝",
                where,
            )
    return ok("、".join(settings.WECOM_VERIFY_FILES))


@check("address", "对外地址", order=80)
def _address(patient: Patient) -> Finding:
    parts = urlsplit(settings.PUBLIC_BASE_URL)
    where = "环境变量 PUBLIC_BASE_URL"
    is_local = parts.hostname in ("127.0.0.1", "localhost", "0.0.0.0")
    if settings.PRODUCTION and (parts.scheme != "https" or is_local):
        return wrong(f"{settings.PUBLIC_BASE_URL} 不是手机能打开的 https 地址", "改成备案域名的 https 地址", where)
    answer = _look(f"{settings.PUBLIC_BASE_URL}/healthz")
    if answer is None or answer.status_code != 200:
        return wrong(f"打不开 {settings.PUBLIC_BASE_URL}/healthz", "查域名解析、证书和 nginx", where)
    return ok(settings.PUBLIC_BASE_URL)


@check("callback", "接收事件", order=90)
def _callback(patient: Patient) -> Finding:
    where = f"{APP} → 接收消息 → 设置API接收"
    token, aes_key = settings.WECOM_CALLBACKS.get("yejibao", ("", ""))
    if not token or not aes_key:
        return wrong(
            "没有配置回调的 Token 或 EncodingAESKey，加好友等事件收不到",
            "填 WECOM_CALLBACK_TOKEN、WECOM_CALLBACK_AES_KEY",
            where,
        )
    try:
        keys = crypto.Keys.parse(token, aes_key, settings.WECOM_CORP_ID)
    except ValueError:
        return wrong("EncodingAESKey 不是 43 位，抄漏了", "照控制台重新抄一遍 WECOM_CALLBACK_AES_KEY", where)
    path = f"{settings.PUBLIC_BASE_URL}/wecom/callback/yejibao/"
    echo = secrets.token_hex(8)
    sealed = crypto.encrypt(keys, echo)
    stamp, nonce = str(int(time.time())), secrets.token_hex(5)
    signed = crypto.signature(keys.token, stamp, nonce, sealed)
    started = clock.monotonic()
    answer = _look(path, msg_signature=signed, timestamp=stamp, nonce=nonce, echostr=sealed)
    if answer is None:
        return wrong(f"打不开 {path}", "查域名解析、证书和 nginx", where)
    if answer.status_code != 200 or answer.text != echo:
        return wrong(
            f"{path} 没有答对校验（HTTP {answer.status_code}）",
            "确认正在运行的服务用的是同一组 Token、EncodingAESKey，改后要重启",
            where,
        )
    if clock.monotonic() - started > ANSWER_SECONDS:
        return wrong("校验答对了，但超过 1 秒，控制台会保存失败", "查这台机器的负载和数据库", where)
    return ok(f"{path} 一秒内答对了校验")


@check("events", "收到的事件", order=95)
def _events(patient: Patient) -> Finding:
    where = f"{APP} → 接收消息 → 设置API接收"
    day = patient.now - LOOKED_BACK
    told = InboxEntry.objects.filter(source="yejibao", received_at__gt=day)
    newest = told.order_by("-pk").values_list("received_at", flat=True).first()
    turned_away = receivers.refused_on(patient.now)
    if newest is None and (count := turned_away.get("yejibao/signature", 0)):
        return wrong(
            f"今天有 {count} 次回调或保存时的校验签名对不上，一次也没收下：控制台里的 Token 和这里的不一样",
            "照控制台重新抄 WECOM_CALLBACK_TOKEN 和 WECOM_CALLBACK_AES_KEY，重启网页服务，再到控制台点保存",
            where,
        )
    if newest is None and any(turned_away.get(f"yejibao/{why}", 0) for why in ("receiver", "padding")):
        return wrong(
            "今天的回调解不开，一次也没收下：控制台里的 EncodingAESKey 或企业和这里的不一样",
            "照控制台重新抄 WECOM_CALLBACK_AES_KEY 和 WECOM_CORP_ID，重启网页服务",
            where,
        )
    if patient.is_wrong("callback"):
        return SKIPPED
    if newest is None:
        if not settings.PRODUCTION:
            return ok("七天里还没有事件；在沙箱里扫一次码就有")
        return ask("七天里一次事件也没有收到", "用自己的微信加一位导购，一分钟后再检查", where)
    if settings.PRODUCTION and not told.filter(kind__startswith="change_external_contact/").exists():
        return ask(
            "事件收得到，但七天里没有一次加好友或删好友",
            "确认勾选了「外部联系人变更回调」；用自己的微信加一位导购试一下",
            where,
        )
    return ok(f"最近一次：{ago(newest, patient.now)}")


@check("callback_ips", "回调来源 IP", order=100, is_online=True)
def _callback_ips(patient: Patient) -> Finding:
    ranges = patient.gateway.get_callback_ips()
    if not settings.PRODUCTION:
        return ok(f"企业微信公布了 {len(ranges)} 段来源 IP")
    return ask(
        f"企业微信从 {len(ranges)} 段 IP 回调（如 {', '.join(ranges[:3])}）",
        "防火墙若有白名单，要放行这些 IP，每天会变",
        "服务器防火墙",
    )


@check("contact", "客户联系授权", order=110, is_online=True)
def _contact(patient: Patient) -> Finding:
    where = f"{CONTACT} → API → 可调用接口的应用"
    return _granted(patient, "get", "externalcontact/get_follow_user_list", "客户联系", where)


@check("checkin", "打卡授权", order=130, is_online=True)
def _checkin(patient: Patient) -> Finding:
    where = "应用管理 → 打卡 → API → 可调用接口的应用"
    return _granted(patient, "post", "checkin/getcorpcheckinoption", "打卡", where)


@check("approval", "审批授权", order=140, is_online=True)
def _approval(patient: Patient) -> Finding:
    end = int(patient.now.timestamp())
    body = {"starttime": str(end - 86_400), "endtime": str(end), "new_cursor": "", "size": 1}
    where = "应用管理 → 审批 → API → 可调用接口的应用"
    return _granted(patient, "post", "oa/getapprovalinfo", "审批", where, body)


@check("home", "应用主页", order=150, is_online=True)
def _home(patient: Patient) -> Finding:
    wanted, home = f"{settings.PUBLIC_BASE_URL}/g/today/", str(patient.agent.get("home_url") or "")
    where = f"{APP} → 应用主页"
    if not home:
        return wrong("没有设应用主页，导购点开应用是空白", f"填 {wanted}", where)
    if not home.startswith(settings.PUBLIC_BASE_URL):
        return wrong(f"应用主页是 {home}，不是业绩宝的地址", f"改成 {wanted}", where)
    return ok(home)


@check("toolbar", "聊天工具栏", order=160, is_online=True)
def _toolbar(patient: Patient) -> Finding:
    page, where = f"{settings.PUBLIC_BASE_URL}/g/sidebar/", f"{CONTACT} → 聊天工具 → 聊天工具栏管理 → 添加应用页面"
    try:
        patient.gateway.get_agent_ticket()
    except GatewayError as error:
        return wrong(f"取不到侧边栏的签名凭据（错误码 {error.code}）", "确认应用可用，过几分钟再检查", APP)
    answer = _look(page)
    if answer is None or answer.status_code >= 500:
        return wrong(f"打不开 {page}", "查域名解析、证书和 nginx", "服务器")
    if not settings.PRODUCTION:
        return ok(f"页面 {page} 能打开，签名凭据取得到")
    return ask(
        f"页面 {page} 能打开，签名凭据取得到",
        "工具栏有没有配这个页面，接口查不到：请用导购手机打开一位客户的聊天看一眼",
        where,
    )


@check("clock", "时钟", order=170)
def _clock(patient: Patient) -> Finding:
    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())::float8")
        apart = abs(cursor.fetchone()[0] - time.time())
    where = "服务器：timedatectl，开启 NTP"
    if apart > MAX_CLOCK_SECONDS:
        return wrong(f"应用服务器与数据库的时钟差 {apart:.0f} 秒", "两台都开启自动对时", where)
    answer = _look(settings.WECOM_API_BASE + "getcallbackip")
    if answer is not None and (date := answer.headers.get("Date")):
        apart = abs(parsedate_to_datetime(date).timestamp() - time.time())
        if apart > MAX_PLATFORM_SECONDS:
            return wrong(f"与企业微信的时钟差 {apart:.0f} 秒，签名会被拒绝", "开启自动对时", where)
        return ok("与数据库、企业微信一致")
    return ok("与数据库一致；企业微信没有应答，没有比")


# ---------------------------------------------------------------- what several checks do


def _granted(
    patient: Patient, how: str, api: str, name: str, where: str, body: dict[str, object] | None = None
) -> Finding:
    try:
        if how == "get":
            patient.gateway.get(api)
        else:
            patient.gateway.post(api, body or {})
    except GatewayError as error:
        if error.code in (48001, 48002, 301055):
            return wrong(f"应用没有获得「{name}」的接口权限", "把业绩宝加进可调用接口的应用", where)
        if error.code == 84074 or error.code == 84061:
            return ok("已授权")
        raise
    return ok("已授权")


def _look(address: str, **query: str) -> requests.Response | None:
    """Open one of our own or the platform's addresses as the platform would; None when there is no answer."""
    try:
        with requests.Session() as session:
            session.trust_env = False
            return session.get(address, params=query, timeout=SECONDS, allow_redirects=False)
    except requests.RequestException:
        return None
