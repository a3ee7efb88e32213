"""The guards of sign-in: sessions that end, codes that count once."""

from .declaring import guard, lock
from .stories import signing_in

GUARDS = [
    guard("sessions: ended with their new key", "guides/org/devices.py:lock_sign_in", lock(),
          signing_in.a_session_gets_a_new_key_while_all_are_ended),
    guard("codes: one counts once", "guides/org/second_factor.py:_check", lock(), signing_in.one_code_given_twice_at_once),
    guard("codes: one app is proven once", "guides/org/second_factor.py:_enrol", lock(), signing_in.two_who_prove_one_app),
]  # fmt: skip
