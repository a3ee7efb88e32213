"""The picture of a code. It leads to the client at /sandbox/, where a stranger scans it."""

import io

import segno
from aiohttp import web

from .state import State


def answer(state: State, config_id: str) -> web.Response:
    """Return the QR code as a PNG, 404 for a code that is gone."""
    if config_id not in state.ways:
        return web.Response(status=404)
    picture = io.BytesIO()
    segno.make(f"{state.product_url}/sandbox/scan/?code={config_id}", error="m").save(
        picture, kind="png", scale=8, border=2
    )
    return web.Response(body=picture.getvalue(), content_type="image/png")
