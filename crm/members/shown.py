"""会员码: what a member's phone shows at the counter. It says who he is, and for some minutes that his phone is there."""

from dataclasses import dataclass
from datetime import timedelta

from django.core import signing

PREFIX = "YJM:"
LIVES = timedelta(minutes=5)
_signer = signing.TimestampSigner(salt="crm.members.shown")


@dataclass(frozen=True)
class Shown:
    """Whose code it is; `is_fresh`: made by our page just now, not a number that was typed or a picture of yesterday."""

    member_no: str
    is_fresh: bool


def code_of(member_no: str) -> str:
    """Return what the code on a member's phone contains."""
    return PREFIX + _signer.sign(member_no)


def read(text: str) -> Shown | None:
    """Return whom a scanned text means; None for a code of ours that somebody made up. A bare number is taken as it is."""
    text = text.strip()
    if not text.startswith(PREFIX):
        return Shown(text[:32], is_fresh=False)
    sealed = text.removeprefix(PREFIX)
    try:
        return Shown(_signer.unsign(sealed, max_age=LIVES), is_fresh=True)
    except signing.SignatureExpired:
        return Shown(_signer.unsign(sealed), is_fresh=False)
    except signing.BadSignature:
        return None
