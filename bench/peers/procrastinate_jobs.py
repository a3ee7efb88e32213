"""procrastinate: the five follow-ups of a purchase as deferred jobs, written a thousand at once; then the due ones worked off."""

import asyncio
import json
import sys
import time
from datetime import UTC, datetime, timedelta

import procrastinate

task = json.loads(sys.argv[1])
app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=task["dsn"]))


@app.task(queue="followups")
def follow_up(purchase: int, step: str) -> None:
    pass


async def main() -> None:
    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        started = time.perf_counter()
        await write(task["purchases"])
        wrote = task["purchases"] / (time.perf_counter() - started)
        await write(task["backlog"] // 5)
        for _ in range(task["due"] // 1000 or 1):
            await follow_up.configure().batch_defer_async(
                *[{"purchase": n, "step": "m30"} for n in range(min(1000, task["due"]))]
            )
        started = time.perf_counter()
        await app.run_worker_async(wait=False, install_signal_handlers=False, listen_notify=False)
        worked = task["due"] / (time.perf_counter() - started)
    print(json.dumps({"purchases_per_second": round(wrote), "due_per_second": round(worked, 1)}))


async def write(purchases: int) -> None:
    for start in range(0, purchases, 1000):
        jobs = [{"purchase": n, "step": "d3"} for n in range(start, min(start + 1000, purchases))]
        for days in (1, 3, 30, 60, 90):  # one moment a batch: it has no other way
            await follow_up.configure(schedule_at=datetime.now(UTC) + timedelta(days=days)).batch_defer_async(*jobs)


asyncio.run(main())
