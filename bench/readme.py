"""`bin/bench readme`: writes what the runs found (bench/results.json) into README, between its two marks."""

import json
from typing import Any

from bench import figures
from bench.figures import progress

BEGIN, END = "<!-- measured: begin (written by bin/bench readme) -->", "<!-- measured: end -->"


def write() -> None:
    path = figures.CHECKOUT / "README.md"
    before, rest = path.read_text().split(BEGIN)
    after = rest.split(END)[1]
    lines = json.loads((figures.CHECKOUT / "bench/results.json").read_text())
    path.write_text(f"{before}{BEGIN}\n{chapter(lines)}{END}{after}")
    progress(f"README: {len(lines)} measurements")


def chapter(lines: dict[str, dict[str, Any]]) -> str:
    """Return the chapter's text: one row a measurement, then the tables of growth."""
    rows = [_row(line) for line in lines.values()]
    text = _table(["`bin/bench`", "measured", "limit in the same run", "ratio", "goals"], rows)
    for table in (table for line in lines.values() for table in line.get("tables", [])):
        text += f"\n{table['title']}\n\n" + _table(table["head"], table["rows"])
    return text


def _row(line: dict[str, Any]) -> list[str]:
    goals = "; ".join(
        f"{goal['name']} {_said(goal['seen'])} ({goal['goal']}) {'✓' if goal['met'] else '**✗**'}"
        for goal in line["goals"]
    )
    limit = f"{_said(line['limit'])}: {line['limit_is']}"
    name = f"`{line['bench']}`" + (" (quick)" if line.get("quick") else "")
    return [name, f"{_said(line['value'])} {line['unit']}", limit, _said(line["ratio"]), goals]


def _said(figure: Any) -> str:
    return f"{figure:,}" if isinstance(figure, int | float) else str(figure)


def _table(head: list[str], rows: list[list[Any]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n" + "".join(f"| {' | '.join(_said(cell) for cell in line)} |\n" for line in lines)
