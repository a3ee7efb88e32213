"""pgqueuer: the five follow-ups of a purchase as deferred jobs, written a thousand at once; then the due ones worked off."""

import asyncio
import json
import sys
import time
from datetime import timedelta

import asyncpg
from pgqueuer import PgQueuer, Queries
from pgqueuer.db import AsyncpgDriver
from pgqueuer.models import Job
from pgqueuer.types import QueueExecutionMode

task = json.loads(sys.argv[1])
WAITS = [timedelta(days=days) for days in (1, 3, 30, 60, 90)]


async def main() -> None:
    connection = await asyncpg.connect(task["dsn"])
    driver = AsyncpgDriver(connection)
    queries = Queries(driver)
    await queries.install()
    started = time.perf_counter()
    await write(queries, task["purchases"])
    wrote = task["purchases"] / (time.perf_counter() - started)
    await write(queries, task["backlog"] // 5)
    for start in range(0, task["due"], 1000):
        count = min(1000, task["due"] - start)
        await queries.enqueue(["follow_up"] * count, [b"{}"] * count, [0] * count)
    await connection.execute("ANALYZE")
    worker = PgQueuer(driver)

    @worker.entrypoint("follow_up")
    async def follow_up(job: Job) -> None:
        pass

    started = time.perf_counter()
    await worker.run(batch_size=100, mode=QueueExecutionMode.drain)
    worked = task["due"] / (time.perf_counter() - started)
    print(json.dumps({"purchases_per_second": round(wrote), "due_per_second": round(worked, 1)}))


async def write(queries: Queries, purchases: int) -> None:
    for start in range(0, purchases, 200):
        count = min(200, purchases - start) * 5
        waits = (WAITS * (count // 5))[:count]
        await queries.enqueue(["follow_up"] * count, [b"{}"] * count, [0] * count, waits)


asyncio.run(main())
