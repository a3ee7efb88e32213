"""Celery on Redis: each follow-up a task with an eta, sent one by one, as there is no other way."""

import json
import sys
import time
from datetime import UTC, datetime, timedelta

from celery import Celery

task = json.loads(sys.argv[1])
address = task["redis"]
app = Celery("peer", broker=address.replace("unix://", "redis+socket://").replace("?db=", "?virtual_host="))
app.conf.broker_transport_options = {"global_keyprefix": "peer:"}
app.conf.task_default_queue = "followups"

purchases = min(task["purchases"], 400)
started = time.perf_counter()
for number in range(purchases):
    for days in (1, 3, 30, 60, 90):
        app.send_task("follow_up", [number], eta=datetime.now(UTC) + timedelta(days=days))
rate = purchases / (time.perf_counter() - started)
with app.connection_for_write() as connection:
    connection.default_channel.queue_purge("followups")
print(json.dumps({"purchases_per_second": round(rate, 1)}))
