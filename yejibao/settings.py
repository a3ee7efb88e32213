"""Settings. Environments differ in values, not in code: every variable is read once, here, with a laptop-safe default."""

import hashlib
import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from csp.constants import NONCE

from yejibao import devserv
from yejibao.core import logs

BASE_DIR = Path(__file__).resolve().parent.parent


def env(name: str, default: str = "") -> str:
    return os.environ.get(name, default)


def env_int(name: str, default: int) -> int:
    return int(os.environ.get(name) or default)


def env_list(name: str, default: str = "") -> list[str]:
    return [part.strip() for part in env(name, default).split(",") if part.strip()]


# ---------------------------------------------------------------- which world
ENVIRONMENT = env("YEJIBAO_ENV", "development")  # development | production
PRODUCTION = ENVIRONMENT == "production"
DEBUG = env("YEJIBAO_DEBUG", "0") == "1"
# Keeps test databases and Redis keys of parallel runs apart.
SLOT = env("YEJIBAO_SLOT", "main") + env("PYTEST_XDIST_WORKER")
PUBLIC_BASE_URL = env("PUBLIC_BASE_URL", "http://127.0.0.1:8000").rstrip("/")
INSECURE_SECRET = "development-only-not-for-production"
SECRET_KEY = env("YEJIBAO_SECRET_KEY", INSECURE_SECRET)
ALLOWED_HOSTS = env_list("ALLOWED_HOSTS", "*" if not PRODUCTION else urlsplit(PUBLIC_BASE_URL).hostname or "")
CSRF_TRUSTED_ORIGINS = [PUBLIC_BASE_URL]

# Keys of the personal data columns, newest first: "id:base64-of-32-bytes,..."; the blind index has a key of its own.
_dev_key = "d1:" + "ZGV2ZWxvcG1lbnQta2V5LWZvci1sYXB0b3BzLW9ubHk="
DATA_KEYS = env_list("YEJIBAO_DATA_KEYS", "" if PRODUCTION else _dev_key)
INDEX_KEY = env("YEJIBAO_INDEX_KEY", "" if PRODUCTION else "development-index-key")
OLD_INDEX_KEYS = env_list("YEJIBAO_OLD_INDEX_KEYS")  # look-ups try them too (rotate_index)

# ---------------------------------------------------------------- what is installed
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_celery_beat",
    "csp",
    "yejibao.core",
    "yejibao.wecom",
    "yejibao.wechatpay",
    "yejibao.intake",
    "guides",
    "crm",
    "tasks",
    "livestream",
    "yejibao.cockpit",
    "yejibao.demo",
]
MIDDLEWARE = [
    "yejibao.core.traffic.Shed",
    "yejibao.core.middleware.Trace",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "yejibao.core.middleware.ContentPolicy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "guides.org.middleware.ResolveActor",
    "crm.portal.middleware.ResolveMember",
    "guides.org.middleware.KeepShares",
    "django.contrib.messages.middleware.MessageMiddleware",
    "yejibao.core.middleware.Problems",
]
ROOT_URLCONF = "yejibao.urls"
WSGI_APPLICATION = "yejibao.wsgi.application"
AUTH_USER_MODEL = "guides.Staff"
AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]
LOGIN_URL = "/login/wecom/"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": False,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "yejibao.core.context.product",
            ],
            "builtins": ["yejibao.core.templatetags.yjb"],
            "loaders": [
                (
                    "yejibao.core.folding.Loader",
                    ["django.template.loaders.filesystem.Loader", "django.template.loaders.app_directories.Loader"],
                )
            ],
        },
    }
]

# ---------------------------------------------------------------- database, broker, cache


def database(url: str) -> dict[str, object]:
    """Turn a postgres:// URL (or none: our own private server) into Django's settings."""
    if not url:
        host, name, user, password, port = str(devserv.sock_dir()), "postgres", "postgres", "", ""
    else:
        parts = urlsplit(url)
        host, port = unquote(parts.hostname or ""), str(parts.port or "")
        query = dict(pair.split("=", 1) for pair in parts.query.split("&") if "=" in pair)
        host = unquote(query.get("host", host))
        name, user, password = parts.path.lstrip("/"), unquote(parts.username or ""), unquote(parts.password or "")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": name,
        "USER": user,
        "PASSWORD": password,
        "HOST": host,
        "PORT": port,
        "OPTIONS": {
            "prepare_threshold": 1,  # for core.sql.prepared; Django's own cursors bind on the client and prepare nothing
            # A pool that cannot connect pauses ever longer; after 15 s it begins anew with the next who asks.
            "pool": {"min_size": 1, "max_size": env_int("DB_POOL_SIZE", 8), "timeout": 10, "reconnect_timeout": 15},
            "options": "-c jit=off -c statement_timeout={} -c lock_timeout=3000 -c idle_in_transaction_session_timeout={}".format(
                env_int("DB_STATEMENT_TIMEOUT_MS", 60000),
                env_int("DB_IDLE_IN_TRANSACTION_MS", 15000 if PRODUCTION else 120000),
            )
            # Tests and scratch worlds empty all tables; in production the audit trail refuses that.
            + ("" if PRODUCTION else " -c yejibao.scratch=on"),
        },
        "TEST": {"NAME": f"test_yejibao_{SLOT}"},
    }


DATABASES = {"default": database(env("DATABASE_URL"))}
REDIS_URL = env("REDIS_URL") or f"unix://{devserv.valkey_sock()}?db=0"
_socket = REDIS_URL.startswith("unix://")
CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://").replace("?db=", "?virtual_host=")
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_MAX_TASKS_PER_CHILD = 1000
CELERY_TASK_SOFT_TIME_LIMIT = 240
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 300,
    "socket_timeout": 10,
    "socket_connect_timeout": 3,
    "global_keyprefix": f"yj:{SLOT}:",
}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TIMEZONE = "Asia/Shanghai"
CELERY_BEAT_SCHEDULER = "yejibao.core.heart:BeatingScheduler"
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": f"yj:{SLOT}:cache",
        "OPTIONS": {
            "socket_timeout": 1,
            "socket_connect_timeout": 0.5,
        },  # a page that is only slower without it must not hang
    }
}
SESSION_ENGINE = "guides.org.sessions"  # with its own idle and longest times
SESSION_SAVE_EVERY_REQUEST = False
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PUBLIC_BASE_URL.startswith("https://")
# How people prove who they are. Password and code at the web are for brands that want them, beside the QR code; and what
# administrators and finance show before a refund, an export or a role change: "totp" (a code) or "wecom" (a new scan).
PASSWORD_SIGN_IN = env("PASSWORD_SIGN_IN", "0" if PRODUCTION else "1") == "1"
SECOND_FACTOR = env("SECOND_FACTOR", "totp" if PRODUCTION else "wecom")
# Browsers keep cookies by host, not by port: two copies on one machine would sign each other's people out.
_port = urlsplit(PUBLIC_BASE_URL).port or 80
SESSION_COOKIE_NAME = "__Host-yejibao" if SESSION_COOKIE_SECURE else f"yejibao_{_port}"
MEMBER_COOKIE_NAME = "__Host-yejibao-member" if SESSION_COOKIE_SECURE else f"yejibao_member_{_port}"
CSRF_FAILURE_VIEW = "yejibao.core.middleware.csrf_failure"
CSRF_COOKIE_NAME = "__Host-csrf" if SESSION_COOKIE_SECURE else f"csrf_{_port}"

# ---------------------------------------------------------------- language and time
LANGUAGE_CODE = "zh-hans"
TIME_ZONE = "Asia/Shanghai"
USE_I18N = USE_TZ = True
# Never in production: a file with an offset in seconds that all processes of one world share. A world that named its
# database has one by default, so that `seed_due` can turn the night, in which nobody is pushed anything, into day.
CLOCK_FILE = env("YEJIBAO_CLOCK_FILE")
if not CLOCK_FILE and not PRODUCTION and env("DATABASE_URL"):
    _world = hashlib.sha256(env("DATABASE_URL").encode()).hexdigest()[:16]
    CLOCK_FILE = str(devserv.scratch_folder("clocks") / f"{_world}.json")

# ---------------------------------------------------------------- static files
STATIC_URL = "/static/"
STATIC_ROOT = Path(env("STATIC_ROOT", str(BASE_DIR / ".run" / "static")))
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = not PRODUCTION
WHITENOISE_MAX_AGE = 31536000 if PRODUCTION else 0
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if PRODUCTION
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
BACKUP_RECIPIENTS = env_list("YEJIBAO_BACKUP_RECIPIENTS", "")  # age1… keys that may read the backups
MEDIA_ROOT = Path(env("MEDIA_ROOT", str(BASE_DIR / ".run" / "media")))
# Who was forgotten on request, by number: outside the database, so that a restore can forget them again.
ERASED_LIST = env("YEJIBAO_ERASED_LIST", str(MEDIA_ROOT / "private" / "erased-members.txt"))

# ---------------------------------------------------------------- headers and limits (reliability-security §11)
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_HSTS_SECONDS = 31536000 if PUBLIC_BASE_URL.startswith("https://") else 0
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
X_FRAME_OPTIONS = "SAMEORIGIN"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "script-src": ["'self'", NONCE],
        "style-src": ["'self'", "'unsafe-inline'"],
        "img-src": ["'self'", "data:", "blob:", "https://wework.qpic.cn", "https://*.qlogo.cn"],
        "connect-src": ["'self'"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'self'"],
    },
}
REQUESTS_PER_MINUTE = env_int("REQUESTS_PER_MINUTE", 600)  # of one person, whatever they are; 0: not counted
MISSES_LOCK = env("MISSES_LOCK", "1") == "1"  # end a session that walks through addresses that do not exist
# How many requests one web process takes in at a time, as --blocking-threads; beyond a rank's share of them it sheds.
WEB_PLACES = env_int("WEB_PLACES", 64)
WEB_AT_ONCE = env_int("WEB_AT_ONCE", 4)  # of these, how many are served at the same moment; the others wait their turn
DATA_UPLOAD_MAX_MEMORY_SIZE = 11 * 1024 * 1024
METRICS_TOKEN = env("METRICS_TOKEN")
METRICS_DIR = env("METRICS_DIR")  # where the web processes of a machine add up their counts; empty: each for itself
TRUSTED_PROXY_COUNT = env_int("TRUSTED_PROXY_COUNT", 0)  # our own proxies in front, each adds to X-Forwarded-For

# ---------------------------------------------------------------- REST
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.SessionAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["yejibao.core.access.Declared"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "yejibao.core.openapi.ApiSchema",
    "EXCEPTION_HANDLER": "yejibao.core.errors.exception_handler",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "业绩宝 API",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SERVE_PUBLIC": True,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "ENUM_NAME_OVERRIDES": {
        "StoreKind": "guides.org.models.Store.Kind",
        "ShiftKind": "guides.attendance.models.Shift.Kind",
        "TaskState": "tasks.followups.api.STATES",
        "OrderKind": "crm.orders.models.Order.Kind",
        "OrderStatus": "crm.orders.models.Order.Status",
        "RowOutcome": "yejibao.intake.api.WORDS",
        "TicketKind": "crm.aftersale.models.Ticket.Kind",
        "ConsentKind": "crm.privacy.models.ConsentKind",
        "DataRequestKind": "crm.privacy.models.MemberRequest.Kind",
        "DataRequestState": "crm.privacy.models.MemberRequest.State",
        "TopUpState": "crm.wallet.models.TopUp.State",
        "CardRefundState": "crm.wallet.models.CardRefund.State",
        "SaleState": "crm.orders.checkout.models.Sale.State",
        "PointsKind": "crm.benefits.models.PointsEntry.Kind",
        "MarketingChannel": "crm.portal.privacy_api.CHANNEL_CHOICES",
        "FittingState": "crm.tailoring.models.Fitting.State",
        "VisitKind": "crm.visits.models.Kind",
        "VisitState": "crm.portal.visit_api.STATES",
        "TicketState": "crm.portal.aftersale_faces.STATES",
    },
}

# ---------------------------------------------------------------- Enterprise WeChat
WECOM_CORP_ID = env("WECOM_CORP_ID", "ww5a9db0c0de5a9db0")
WECOM_AGENT_ID = env_int("WECOM_AGENT_ID", 1000002)
WECOM_SECRET = env("WECOM_SECRET", "sandbox-secret-" + hashlib.sha256(SLOT.encode()).hexdigest()[:16])
WECOM_API_BASE = env("WECOM_API_BASE", "http://127.0.0.1:8001/cgi-bin/")
WECOM_OAUTH_BASE = env(
    "WECOM_OAUTH_BASE", PUBLIC_BASE_URL + "/sandbox" if not PRODUCTION else "https://open.weixin.qq.com"
)
# Receivers of callbacks, by the name in /wecom/callback/NAME/: Token and EncodingAESKey as in the console. Our own app has
# WECOM_CALLBACK_TOKEN and WECOM_CALLBACK_AES_KEY; others have WECOM_CALLBACK_CONTACTS_TOKEN (通讯录同步) and so on.
WECOM_CALLBACKS = {
    name.removeprefix("WECOM_CALLBACK").removesuffix("TOKEN").strip("_").lower() or "yejibao": (
        value,
        env(name.removesuffix("TOKEN") + "AES_KEY"),
    )
    for name, value in os.environ.items()
    if name.startswith("WECOM_CALLBACK_") and name.endswith("_TOKEN") and value
}
# Names of the console's ownership files (WW_verify_….txt), comma between; their content follows from the name.
WECOM_VERIFY_FILES = env_list("WECOM_VERIFY_FILES")
# Where the platform keeps the pictures of codes (the qr_code of a contact way); from nowhere else is one fetched.
WECOM_PICTURE_HOSTS = env_list("WECOM_PICTURE_HOSTS", "qpic.cn,qlogo.cn,work.weixin.qq.com")
# A font with Chinese characters for posters; empty: one of the usual places, else posters are printed by the browser alone.
POSTER_FONT = env("POSTER_FONT")
# The brand's mini-program, by which members sign in (code2Session, getPhoneNumber); empty: members cannot.
MINI_APP_ID = env("WECHAT_MINI_APP_ID", "" if PRODUCTION else "wx5a9db0c0de5a9db0")
MINI_SECRET = env("WECHAT_MINI_SECRET", "" if PRODUCTION else WECOM_SECRET)
# The control side of the stand-in; empty = there is none, as in production.
WECOM_SANDBOX_CONTROL = env("WECOM_SANDBOX_CONTROL", "" if PRODUCTION else "http://127.0.0.1:8001/control/")
WECOM_SENDS_PER_SECOND = env_int("WECOM_SENDS_PER_SECOND", 1500)  # ours; the platform names none for message/send
SENDER_WAKE_TICK = "tasks.followups.jobs.open_due_tasks"
# ---------------------------------------------------------------- WeChat Pay (v3, in public-key mode)
# Without a merchant number the brand takes no WeChat Pay; with one, everything below has to be there (checks.py). Keys are PEM,
# as text or as a file. Outside production the stand-in's keys are made in WECHATPAY_KEYS_DIR when somebody first asks.
WECHATPAY_MCHID = env("WECHATPAY_MCHID", "" if PRODUCTION else "1900000109")
WECHATPAY_APPID = env("WECHATPAY_APPID", "" if PRODUCTION else "wx5a9db0c0de5a9db0")  # of the mini-program
WECHATPAY_SERIAL_NO = env("WECHATPAY_SERIAL_NO", "" if PRODUCTION else "5A9DB0C0DE5A9DB0C0DE5A9DB0C0DE5A9DB0C0DE")
WECHATPAY_PRIVATE_KEY = env("WECHATPAY_PRIVATE_KEY")
WECHATPAY_PRIVATE_KEY_FILE = env("WECHATPAY_PRIVATE_KEY_FILE")
WECHATPAY_PUBLIC_KEY = env("WECHATPAY_PUBLIC_KEY")
WECHATPAY_PUBLIC_KEY_FILE = env("WECHATPAY_PUBLIC_KEY_FILE")
WECHATPAY_PUBLIC_KEY_ID = env(
    "WECHATPAY_PUBLIC_KEY_ID", "" if PRODUCTION else "PUB_KEY_ID_0119000001092026112200000000000000"
)
SANDBOX_API_V3_KEY = "sandbox" + hashlib.sha256(SLOT.encode()).hexdigest()[:25]
WECHATPAY_API_V3_KEY = env("WECHATPAY_API_V3_KEY", "" if PRODUCTION else SANDBOX_API_V3_KEY)
WECHATPAY_API_BASE = env(
    "WECHATPAY_API_BASE", "https://api.mch.weixin.qq.com" if PRODUCTION else "http://127.0.0.1:8002"
)
# The control side of the stand-in; empty = there is none, as in production.
WECHATPAY_SANDBOX_CONTROL = env("WECHATPAY_SANDBOX_CONTROL", "" if PRODUCTION else "http://127.0.0.1:8002/control/")
WECHATPAY_KEYS_DIR = env("WECHATPAY_KEYS_DIR") or str(devserv.scratch_folder("pay-keys"))
BRAND_NAME = env("BRAND_NAME", "衡裁")

# ---------------------------------------------------------------- logs
LOG_FORMAT = env("LOG_FORMAT", "json" if PRODUCTION else "plain")  # json: one object a line
LOGGING = logs.config(level=env("LOG_LEVEL", "INFO"), style=LOG_FORMAT)
SILENCED_SYSTEM_CHECKS = ["security.W019"]
