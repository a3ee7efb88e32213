"""Hostile callbacks: each is turned away with a 4xx, none with a 500, none leaves a row (reliability-security §7)."""

import base64
import contextlib
import struct
from collections.abc import Callable
from urllib.parse import urlencode

import pytest
from django.http import HttpResponse
from django.test import Client
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from yejibao.core import clock
from yejibao.wecom.inbox.crypto import Keys, Refused, check_signature, decrypt
from yejibao.wecom.inbox.models import InboxEntry
from yejibao.wecom.inbox.services import take_in
from yejibao.wecom.inbox.xml import read_envelope

from .conftest import AES_KEY, OTHER_AES_KEY, OTHER_TOKEN, TOKEN
from .official import WXBizMsgCrypt
from .samples import CORP, sample

P = WXBizMsgCrypt(TOKEN, AES_KEY, CORP)
TEXT = sample("enter_agent")
URL = "/wecom/callback/yejibao/"
SIXTEEN = b"0123456789abcdef"
Call = Callable[[Client], HttpResponse]
CASES: dict[str, Call] = {}


def case(name: str, call: Call) -> None:
    assert name not in CASES
    CASES[name] = call


def post(query: str | dict[str, str], body: str | bytes, content_type: str = "text/xml", **meta: str) -> Call:
    text = query if isinstance(query, str) else urlencode(query)
    return lambda client: client.post(f"{URL}?{text}", body, content_type=content_type, **meta)


def signed(encrypted: str, body: str | None = None) -> Call:
    """A request whose signature is right, around an Encrypt that is not."""
    posted = P.seal_encrypted(encrypted)
    return post(posted.query, posted.body if body is None else body)


def plaintext(content: bytes, pad: bytes | None = None) -> Call:
    """A request that is encrypted with the right key, around content that is not."""
    return signed(P.encrypt_raw(content, pad=pad))


def framed(message: bytes, receiver: bytes = CORP.encode(), size: int | None = None) -> bytes:
    return SIXTEEN + struct.pack(">I", len(message) if size is None else size) + message + receiver


GOOD = P.seal(TEXT)
SEALED = P.encrypt(TEXT)
RAW = base64.b64decode(SEALED)

# ---------------------------------------------------------------- query parameters
for name in ("msg_signature", "timestamp", "nonce"):
    rest = {key: value for key, value in GOOD.query.items() if key != name}
    case(f"{name} missing", post(rest, GOOD.body))
    case(f"{name} empty", post(GOOD.query | {name: ""}, GOOD.body))
    case(f"{name} twice", post(urlencode(GOOD.query) + "&" + urlencode({name: GOOD.query[name]}), GOOD.body))
    case(f"{name} wrong", post(GOOD.query | {name: "123"}, GOOD.body))
    case(f"{name} very long", post(GOOD.query | {name: "9" * 5000}, GOOD.body))
case("no query", post("", GOOD.body))
case("signature in capitals", post(GOOD.query | {"msg_signature": GOOD.query["msg_signature"].upper()}, GOOD.body))
case("signature cut", post(GOOD.query | {"msg_signature": GOOD.query["msg_signature"][:-1]}, GOOD.body))
case("signature of another script", post(GOOD.query | {"msg_signature": "签" * 40}, GOOD.body))
case("signature of nothing but NUL", post(GOOD.query | {"msg_signature": "\x00" * 40}, GOOD.body))
case("signature as broken UTF-8", post("msg_signature=%ff%fe&timestamp=1&nonce=2", GOOD.body))
case("signature as a lone surrogate", post("msg_signature=%ed%a0%80&timestamp=1&nonce=2", GOOD.body))
case("thousands of parameters", post("&".join(f"a{n}=1" for n in range(3000)), GOOD.body))
case("of another app", post(WXBizMsgCrypt(OTHER_TOKEN, OTHER_AES_KEY, CORP).seal(TEXT).query, GOOD.body))

# ---------------------------------------------------------------- envelope
for name, body in {
    "body empty": "",
    "body of spaces": "   ",
    "body is JSON": '{"Encrypt": "x"}',
    "body is a form": "Encrypt=x",
    "body is no UTF-8": b"\xff\xfe<xml><Encrypt>x</Encrypt></xml>",
    "body is UTF-16": "<xml><Encrypt>x</Encrypt></xml>".encode("utf-16"),
    "body says it is UTF-16": '<?xml version="1.0" encoding="utf-16"?><xml><Encrypt>x</Encrypt></xml>',
    "body of NUL": b"\x00" * 200,
    "xml not closed": "<xml><Encrypt>x</Encrypt>",
    "xml twice": "<xml><Encrypt>x</Encrypt></xml><xml/>",
    "other root": "<html><Encrypt>x</Encrypt></html>",
    "root in capitals": "<XML><Encrypt>x</Encrypt></XML>",
    "Encrypt missing": "<xml><ToUserName>x</ToUserName></xml>",
    "Encrypt empty": "<xml><Encrypt></Encrypt></xml>",
    "Encrypt twice": f"<xml><Encrypt>{SEALED}</Encrypt><Encrypt>{SEALED}</Encrypt></xml>",
    "Encrypt with a child": f"<xml><Encrypt><a>{SEALED}</a></Encrypt></xml>",
    "Encrypt below another": f"<xml><a><Encrypt>{SEALED}</Encrypt></a></xml>",
    "Encrypt in a namespace": f'<xml xmlns:a="b"><a:Encrypt>{SEALED}</a:Encrypt></xml>',
    "Encrypt as an attribute": f'<xml Encrypt="{SEALED}"/>',
    "undefined entity": "<xml><Encrypt>&x;</Encrypt></xml>",
    "DTD without entities": f"<!DOCTYPE xml><xml><Encrypt>{SEALED}</Encrypt></xml>",
    "DTD in small letters": f"<!doctype xml><xml><Encrypt>{SEALED}</Encrypt></xml>",
    "DTD in UTF-16": f"<!DOCTYPE xml><xml><Encrypt>{SEALED}</Encrypt></xml>".encode("utf-16"),
    "DTD of a file": f'<!DOCTYPE xml SYSTEM "file:///etc/passwd"><xml><Encrypt>{SEALED}</Encrypt></xml>',
    "entity of a file": '<!DOCTYPE xml [<!ENTITY x SYSTEM "file:///etc/passwd">]><xml><Encrypt>&x;</Encrypt></xml>',
    "entities that multiply": '<!DOCTYPE xml [<!ENTITY a "ha"><!ENTITY b "'
    + "&a;" * 50 + '"><!ENTITY c "' + "&b;" * 50 + '">]><xml><Encrypt>&c;</Encrypt></xml>',
    "parameter entity": '<!DOCTYPE xml [<!ENTITY % x "<!ENTITY y \'z\'>"> %x;]><xml><Encrypt>&y;</Encrypt></xml>',
    "very deep": "<xml>" + "<a>" * 30_000 + "</a>" * 30_000 + "</xml>",
    "thousands of attributes": "<xml " + " ".join(f'a{n}="1"' for n in range(5000)) + "/>",
}.items():  # fmt: skip
    case(name, post(GOOD.query, body))
case("too large", post(GOOD.query, b"x" * (256 * 1024 + 1)))
case("too large by its word", post(GOOD.query, GOOD.body, CONTENT_LENGTH="99999999999"))
case("length that is no number", post(GOOD.query, GOOD.body, CONTENT_LENGTH="ten"))
case("length below zero", post(GOOD.query, GOOD.body, CONTENT_LENGTH="-1"))
case("multipart", lambda client: client.post(f"{URL}?{urlencode(GOOD.query)}", {"Encrypt": SEALED}))

# ---------------------------------------------------------------- signed rightly, encrypted wrongly
case("no base64", signed("not base64 at all!"))
case("base64 of another alphabet", signed(SEALED.replace("+", "-").replace("/", "_").replace("A", "-")))
case("base64 cut", signed(SEALED[:-1]))
case("base64 with a newline", signed(SEALED[:64] + "\n" + SEALED[64:]))
case("base64 with spaces for plus", signed(SEALED[:20] + " " + SEALED[21:]))
case("base64 of Chinese", signed("业绩宝" * 20))
case("only padding signs", signed("===="))
case("one byte", signed(base64.b64encode(b"x").decode()))
case("block cut", signed(base64.b64encode(RAW[:-1]).decode()))
case("one block", signed(base64.b64encode(RAW[:16]).decode()))
case("last block gone", signed(base64.b64encode(RAW[:-16]).decode()))
case("first block changed", signed(base64.b64encode(bytes(16) + RAW[16:-16] + bytes(16)).decode()))
case("random blocks", signed(base64.b64encode(bytes(range(256))).decode()))
case("another key", signed(WXBizMsgCrypt(TOKEN, OTHER_AES_KEY, CORP).encrypt(TEXT)))

# ---------------------------------------------------------------- encrypted rightly, framed wrongly
FRAMED = framed(TEXT.encode())
SHORT = -len(FRAMED) % 16 or 16
for pad_byte in (0, 33, 255):
    case(f"padding {pad_byte}", plaintext(FRAMED, pad=bytes([pad_byte]) * SHORT))
case("padding not uniform", plaintext(FRAMED, pad=b"\x01" * (SHORT - 1) + bytes([SHORT]) if SHORT > 1 else b"\x02"))
case("padding longer than all", plaintext(b"", pad=bytes([32]) * 16))
case("padding only", plaintext(b"", pad=bytes([16]) * 16))
case("no room for the length", plaintext(SIXTEEN + b"\x00\x00"))
case("length 0", plaintext(framed(b"")))
case("length 3", plaintext(framed(b"<a>")))
case("length beyond the end", plaintext(framed(TEXT.encode(), size=10_000)))
case("length 2^32-1", plaintext(framed(TEXT.encode(), size=2**32 - 1)))
case("length 2^31", plaintext(framed(TEXT.encode(), size=2**31)))
case("length one less", plaintext(framed(TEXT.encode(), size=len(TEXT.encode()) - 1)))
case("length one more", plaintext(framed(TEXT.encode(), size=len(TEXT.encode()) + 1)))
case("receiver of another corp", plaintext(framed(TEXT.encode(), b"ww0000000000000000")))
case("receiver missing", plaintext(framed(TEXT.encode(), b"")))
case("receiver with a tail", plaintext(framed(TEXT.encode(), CORP.encode() + b"x")))
case("receiver in another case", plaintext(framed(TEXT.encode(), CORP.upper().encode())))
case("receiver no UTF-8", plaintext(framed(TEXT.encode(), b"\xff" * 18)))
case("message no UTF-8", plaintext(framed(b"\xff\xfe\xfd<xml/>")))
case("message with a lone surrogate", plaintext(framed(b"<xml>\xed\xa0\x80</xml>")))
case("message with a DTD", plaintext(framed(b"<!DOCTYPE xml>" + TEXT.encode())))
case("message with an entity", plaintext(framed(b'<!DOCTYPE xml [<!ENTITY a "b">]><xml><Event>&a;</Event></xml>')))
case("message with a DTD in small letters", plaintext(framed(b"<!doctype xml>" + TEXT.encode())))

# ---------------------------------------------------------------- the echo, and other methods
for name, query in {
    "echo without echostr": GOOD.query,
    "echo empty": GOOD.query | {"echostr": ""},
    "echo not signed": GOOD.query | {"echostr": SEALED},
    "echo no base64": P.seal_encrypted("!").query | {"echostr": "!"},
    "echo too large": GOOD.query | {"echostr": "A" * 300_000},
}.items():
    case(name, lambda client, query=query: client.get(f"{URL}?{urlencode(query)}"))
case("echo twice", lambda client: client.get(f"{URL}?{urlencode(GOOD.query)}&echostr=a&echostr=b"))
for method in ("put", "delete", "patch", "head", "options"):
    case(method, lambda client, method=method: getattr(client, method)(f"{URL}?{urlencode(GOOD.query)}"))
case("app of nobody", lambda client: client.post(f"/wecom/callback/nobody/?{urlencode(GOOD.query)}"))


def test_there_are_no_fewer_cases_than_the_reference_counts() -> None:
    assert len(CASES) >= 77


@pytest.mark.django_db
@pytest.mark.parametrize("name", CASES)
def test_hostile(client: Client, name: str) -> None:
    answer = CASES[name](client)
    assert 400 <= answer.status_code < 500
    assert not InboxEntry.objects.exists()
    assert TEXT[:20].encode() not in answer.content


@pytest.mark.django_db
def test_the_good_ones_are_good(client: Client) -> None:
    """The same builders, with nothing wrong: so that what is refused above is refused for its fault."""
    assert post(GOOD.query, GOOD.body)(client).content == b"success"
    assert plaintext(framed(sample("click").encode()))(client).content == b"success"
    assert signed(P.encrypt(sample("view")))(client).content == b"success"
    assert InboxEntry.objects.count() == 3


@pytest.mark.django_db
def test_the_largest_that_may_come_is_taken(client: Client) -> None:
    text = "<xml><MsgType>event</MsgType><Event>big</Event><x>" + "y" * 190_000 + "</x></xml>"
    posted = P.seal(text)
    assert 250_000 < len(posted.body) <= 256 * 1024
    assert post(posted.query, posted.body)(client).content == b"success"


# ---------------------------------------------------------------- and what nobody thought of

KEYS = Keys.parse(TOKEN, AES_KEY, CORP)
quietly = settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))


@quietly
@given(st.binary(max_size=400))
@example(b"<xml><Encrypt>a</Encrypt></xml>")
def test_any_envelope_is_read_or_refused(body: bytes) -> None:
    with contextlib.suppress(Refused):
        assert read_envelope(body)


@quietly
@given(st.text(max_size=200), st.text(max_size=60), st.text(max_size=60))
def test_any_signature_is_compared(encrypted: str, given_signature: str, nonce: str) -> None:
    with pytest.raises(Refused):
        check_signature(KEYS, given_signature, "1", nonce, encrypted)


@quietly
@given(st.one_of(st.text(max_size=200), st.binary(max_size=300).map(lambda raw: base64.b64encode(raw).decode())))
def test_any_ciphertext_is_refused(encrypted: str) -> None:
    with pytest.raises(Refused):
        decrypt(KEYS, encrypted)


@quietly
@given(st.binary(max_size=200), st.binary(min_size=1, max_size=40))
def test_any_content_under_the_right_key_is_opened_or_refused(content: bytes, pad: bytes) -> None:
    content += b"\x00" * (-(len(content) + len(pad)) % 16)
    with contextlib.suppress(Refused):
        decrypt(KEYS, P.encrypt_raw(content, pad=pad))


@quietly
@given(st.text(alphabet=st.characters(codec="utf-8"), min_size=4, max_size=200))
def test_any_text_comes_back_as_it_was(text: str) -> None:
    if len(text.encode()) >= 4:
        assert decrypt(KEYS, P.encrypt(text)).decode() == text


@pytest.mark.django_db
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=200))
def test_any_genuine_text_is_kept(text: str) -> None:
    number = take_in(
        "yejibao", f"<xml><Event>{text}</Event><CreateTime>{text}</CreateTime></xml>".encode(), now=clock.now()
    )
    assert number is None or InboxEntry.objects.get(pk=number).body.startswith("<xml>")


@pytest.mark.django_db
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(query=st.dictionaries(st.sampled_from(["msg_signature", "timestamp", "nonce", "echostr", "x"]), st.text(max_size=30)),
       body=st.binary(max_size=200))  # fmt: skip
def test_any_request_is_turned_away(client: Client, query: dict[str, str], body: bytes) -> None:
    text = urlencode({key: value.encode("utf-8", "surrogatepass") for key, value in query.items()})
    assert 400 <= client.post(f"{URL}?{text}", body, content_type="text/xml").status_code < 500
    assert 400 <= client.get(f"{URL}?{text}").status_code < 500


def test_the_sealed_example_is_what_the_documentation_shows() -> None:
    """The platform's own sample (wecom-api §3.1)."""
    keys = Keys.parse(TOKEN, AES_KEY, "wx5823bf96d3bd56c7")
    encrypted = "RypEvHKD8QQKFhvQ6QleEB4J58tiPdvo+rtK1I9qca6aM/wvqnLSV5zEPeusUiX5L5X/0lWfrf0QADHHhGd3QczcdCUpj911L3vg3W/sYYvuJTs3TUUkSUXxaccAS0qhxchrRYt66wiSpGLYL42aM6A8dTT+6k4aSknmPj48kzJs8qLjvd4Xgpue06DOdnLxAUHzM6+kDZ+HMZfJYuR+LtwGc2hgf5gsijff0ekUNXZiqATP7PF5mZxZ3Izoun1s4zG4LUMnvw2r+KqCKIw+3IQH03v+BCA9nMELNqbSf6tiWSrXJB3LAVGUcallcrw8V2t9EL4EhzJWrQUax5wLVMNS0+rUPA3k22Ncx4XXZS9o0MBH27Bo6BpNelZpS+/uh9KsNlY6bHCmJU9p8g7m3fVKn28H3KDYA5Pl/T8Z1ptDAVe0lXdQ2YoyyH2uyPIGHBZZIs2pDBS8R07+qN+E7Q=="
    check_signature(keys, "477715d11cdb4164915debcba66cb864d751f3e6", "1409659813", "1372623149", encrypted)
    assert b"<Content><![CDATA[hello]]></Content>" in decrypt(keys, encrypted)
