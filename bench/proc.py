"""What processes of this machine use, read from /proc: their trees, their memory, how busy the cores are."""

import os
from pathlib import Path


def trees(roots: dict[str, int]) -> dict[str, list[int]]:
    """Return each process with all its descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        children.setdefault(parent(int(entry.name)), []).append(int(entry.name))
    found = {}
    for name, root in roots.items():
        tree = [root]
        for pid in tree:
            tree += children.get(pid, [])
        found[name] = tree
    return found


def parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def busy() -> float:
    """Return for how many seconds the cores have worked since the start of the machine."""
    try:
        fields = [int(one) for one in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    except OSError:
        return 0.0
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")


def rss_mb(pid: int) -> float:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    except OSError:
        return 0.0
