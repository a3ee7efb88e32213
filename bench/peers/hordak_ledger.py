"""django-hordak's own ledger: `Account.transfer_to` from many connections, asked for a turn by a line on stdin.

No running balance and no look at what is there, so it locks nothing: less than what the product does. Answers each line with
transfers per second.
"""

import json
import random
import sys
import threading
import time
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
from hordak.models import Account  # noqa: E402
from moneyed import Money  # noqa: E402


def fill(count: int) -> list[Any]:
    """Return the accounts of so many members; `bulk_create` where the tree allows, hordak's own save for the first two."""
    call_command("migrate", interactive=False, verbosity=0)
    with transaction.atomic():
        Account.objects.create(name="cash", code="1", type="AS", currencies=["CNY"])
        for number in range(count):
            Account.objects.create(name=f"card {number}", code=str(number + 2), type="LI", currencies=["CNY"])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return list(Account.objects.filter(type="LI").order_by("pk"))


cards = fill(task["accounts"])
cash = Account.objects.get(code="1")
connection.close()


def turn(seconds: float) -> float:
    done, over = [0] * task["connections"], threading.Event()

    def run(place: int) -> None:
        dice = random.Random(place)
        try:
            while not over.is_set():
                cash_first = done[place] % 2
                card, amount = dice.choice(cards), Money(dice.randrange(1, 500), "CNY")
                (cash if cash_first else card).transfer_to(card if cash_first else cash, amount)
                done[place] += 1
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
    return sum(done) / (time.perf_counter() - started)


print("ready", flush=True)
for line in sys.stdin:
    print(turn(float(line)), flush=True)
