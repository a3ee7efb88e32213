"""django-hordak's own ledger from many connections, asked for a turn by a line on stdin: the seconds, and what is booked.

`same` books what the product books, as hordak books more than two legs (a Transaction and its Legs in one transaction of the
database): a spend of principal and gift in three legs, a top-up with its gift in four. `two` is its shortest way,
`Account.transfer_to`. No running balance, no look at what is there and no key, so it locks nothing: less than what the product
does. Answers each line with movements per second.
"""

import json
import random
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import django
from django.conf import settings

task = json.loads(sys.argv[1])
parts = task["database"]
settings.configure(
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "mptt", "djmoney", "hordak"],
    DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", **parts, "OPTIONS": {"pool": {"min_size": 1, "max_size": 20}}}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField", USE_TZ=True, SECRET_KEY="bench", DEFAULT_CURRENCY="CNY", CURRENCIES=["CNY"],
)  # fmt: skip
django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection, connections, transaction  # noqa: E402
from hordak.models import Account, Leg, Transaction  # noqa: E402
from moneyed import Money  # noqa: E402

OURS = {"cash": "AS", "revenue": "IN", "gift cost": "EX"}


def fill(count: int) -> tuple[dict[str, Any], list[tuple[Any, Any]]]:
    """Return our own accounts by name, and (principal, gift) of so many cards.

    Each save moves the whole tree of accounts: 2,000 had not come to an end after nine minutes.
    """
    call_command("migrate", interactive=False, verbosity=0)
    names = dict(OURS) | {f"{part} {number}": "LI" for number in range(count) for part in ("principal", "gift")}
    with transaction.atomic():
        made = {
            name: Account.objects.create(name=name, code=str(place), type=kind, currencies=["CNY"])
            for place, (name, kind) in enumerate(names.items(), start=1)
        }
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return made, [(made[f"principal {number}"], made[f"gift {number}"]) for number in range(count)]


accounts, cards = fill(task["accounts"])
connection.close()


def same(dice: random.Random, number: int) -> None:
    """A top-up and a spend by turns."""
    (principal, gift), paid, given = dice.choice(cards), Money(dice.randrange(1, 500), "CNY"), Money("0.50", "CNY")
    with transaction.atomic():
        movement = Transaction.objects.create()
        if number % 2:
            Leg.objects.create(transaction=movement, account=accounts["cash"], debit=paid)
            Leg.objects.create(transaction=movement, account=accounts["gift cost"], debit=given)
            Leg.objects.create(transaction=movement, account=principal, credit=paid)
            Leg.objects.create(transaction=movement, account=gift, credit=given)
        else:
            Leg.objects.create(transaction=movement, account=principal, debit=paid)
            Leg.objects.create(transaction=movement, account=gift, debit=given)
            Leg.objects.create(transaction=movement, account=accounts["revenue"], credit=paid + given)


def two(dice: random.Random, number: int) -> None:
    (card, _), cash, amount = dice.choice(cards), accounts["cash"], Money(dice.randrange(1, 500), "CNY")
    (cash if number % 2 else card).transfer_to(card if number % 2 else cash, amount)


def turn(seconds: float, work: Callable[[random.Random, int], None]) -> float:
    done, over = [0] * task["connections"], threading.Event()
    trouble: list[BaseException] = []

    def run(place: int) -> None:
        dice = random.Random(place)
        try:
            while not over.is_set():
                work(dice, done[place])
                done[place] += 1
        except BaseException as error:  # noqa: BLE001  told below
            trouble.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(place,)) for place in range(task["connections"])]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    over.set()
    for thread in threads:
        thread.join()
    if trouble:
        raise trouble[0]
    return sum(done) / (time.perf_counter() - started)


print("ready", flush=True)
for line in sys.stdin:
    seconds, what = line.split()
    print(turn(float(seconds), {"same": same, "two": two}[what]), flush=True)
