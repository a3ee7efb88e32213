"""The answer that carries a file."""

from urllib.parse import quote

from django.core.files.storage import default_storage
from django.http import HttpResponse

from ..errors import NotFound
from .documents import PDF
from .models import StoredFile

KEPT_SECONDS = 600  # in the browser of whoever was let in


def response_of(file: StoredFile, *, small: bool = False, download: bool = False) -> HttpResponse:
    """Return a file's bytes as what they are and nothing else. Raises NotFound where they are gone.

    Photos are shown; documents are downloaded, but a PDF may be opened. Who may see it was asked before.
    """
    try:
        with default_storage.open(file.small_path if small and file.is_photo else file.path) as stored:
            content = stored.read()  # whole: 20 MB at the most, most of them a tenth of one
    except FileNotFoundError:
        raise NotFound() from None
    response = HttpResponse(content, content_type=file.content_type)
    shows = not download and (file.is_photo or file.content_type == PDF)
    title = file.title or f"{file.at:%Y%m%d}-{str(file.name)[:8]}.jpg"
    how = "inline" if shows else "attachment"
    response["Content-Disposition"] = f"{how}; filename=\"file\"; filename*=UTF-8''{quote(title)}"
    response["X-Content-Type-Options"] = "nosniff"
    # A sandboxed PDF is not shown by Chromium's reader, which is a sandbox of its own.
    response["Content-Security-Policy"] = (
        "default-src 'none'" if file.content_type == PDF else "sandbox; default-src 'none'"
    )
    response["Cache-Control"] = f"private, max-age={KEPT_SECONDS}"
    return response
