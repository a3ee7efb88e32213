"""The promise of the library: whatever a member bought, there is something to say at every node."""

from collections.abc import Iterable
from itertools import product
from typing import Any

from .words import is_service

SERVICE_NODES = ("m30", "d3")


def coverage_gaps(scripts: Iterable[dict[str, Any]], book: dict[str, Any]) -> list[str]:
    """Return the combinations of node, purchase node, family, channel and timing nothing can be said in.

    Scripts are rows of the domain file. Each combination needs one without `requires`; m30 and d3 one without coupon or
    link as well, for members who opted out.
    """
    free = [script for script in scripts if script.get("node") and not script.get("requires")]
    contexts = book["contexts"]
    families = [word for word in contexts["product"] if word != "any"]
    channels = [word for word in contexts["channel"] if word != "any"]
    timings = [word for word in contexts["timing"] if word != "any"]
    gaps = []
    for node in (one["key"] for one in book["nodes"]):
        timed = timings if node == "m30" else [""]
        for place in product(book["node_by_purchase_count"], families, channels, timed):
            wanted = dict(zip(("buyer", "product", "channel", "timing"), place, strict=True))
            fitting = [
                script
                for script in free
                if script["node"] == node
                and all(script.get(key, "any") in ("any", word) or not word for key, word in wanted.items())
            ]
            if not fitting:
                gaps.append(" ".join([node, *filter(None, place)]))
            elif node in SERVICE_NODES and not any(is_service(script["text"], ()) for script in fitting):
                gaps.append(" ".join([node, *filter(None, place), "service"]))
    return gaps
