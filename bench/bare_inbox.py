"""The bare receiver the product's is measured against: opens the envelope, inserts the row, nothing else."""

import base64
import hashlib
from datetime import UTC, datetime
from xml.etree import ElementTree

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import path

application = get_wsgi_application()
TOKEN, AES_KEY = settings.WECOM_CALLBACKS["yejibao"]
KEY = base64.b64decode(AES_KEY + "=")


def callback(request: HttpRequest, app: str) -> HttpResponse:
    encrypted = ElementTree.fromstring(request.body).findtext("Encrypt") or ""
    text = "".join(sorted([TOKEN, request.GET["timestamp"], request.GET["nonce"], encrypted]))
    if hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest() != request.GET["msg_signature"]:
        return HttpResponse(status=403)
    opener = Cipher(algorithms.AES(KEY), modes.CBC(KEY[:16])).decryptor()
    content = opener.update(base64.b64decode(encrypted))[16:]
    message = content[4 : 4 + int.from_bytes(content[:4], "big")]
    now = datetime.now(UTC)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO wecom_inboxentry (source, digest, kind, received_at, state, priority, attempts, next_at, error, body)"
            " VALUES ('bare', %s, 'enter_agent', %s, 'waiting', 5, 0, %s, '', %s) ON CONFLICT DO NOTHING",
            [hashlib.sha256(message).digest(), now, now, message.decode()],
        )
    return HttpResponse(b"success", content_type="text/plain", headers={"Content-Length": "7"})


urlpatterns = [path("wecom/callback/<slug:app>/", callback), path("healthz", lambda request: HttpResponse("ok"))]
