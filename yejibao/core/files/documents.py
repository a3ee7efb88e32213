"""Documents: which kinds may come in, told by their bytes and never by their name."""

import io
import zipfile

from django.utils.translation import gettext_lazy as _

from ..errors import Invalid, TooLarge

MOST_BYTES = 20 * 1024 * 1024
PDF = "application/pdf"
_OFFICE = "application/vnd.openxmlformats-officedocument."
OFFICE = {
    "word/": ("docx", f"{_OFFICE}wordprocessingml.document"),
    "xl/": ("xlsx", f"{_OFFICE}spreadsheetml.sheet"),
    "ppt/": ("pptx", f"{_OFFICE}presentationml.presentation"),
}
MOST_PARTS = 5_000
ENDINGS = {PDF: "pdf"} | {kind: ending for ending, kind in OFFICE.values()}


class NotADocument(Invalid):
    code, title = "file.not_a_document", _("这种文件收不了")


class DocumentTooLarge(TooLarge):
    code, title = "file.document_too_large", _("文件太大")


def read_document(raw: bytes) -> str:
    """Return the content type of a PDF or an Office file without macros. Raises NotADocument or DocumentTooLarge."""
    if len(raw) > MOST_BYTES:
        raise DocumentTooLarge(_("一个文件最多 20 MB。更大的请放企业微信微盘，这里贴链接。"))
    if raw[:5] == b"%PDF-":
        return PDF
    if raw[:4] == b"PK\x03\x04" and (kind := _office(raw)):
        return kind
    raise NotADocument(_("只收 PDF、Word、Excel、PPT（docx、xlsx、pptx，不带宏）和照片。"))


def _office(raw: bytes) -> str:
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as book:
            parts = book.namelist()[: MOST_PARTS + 1]  # the directory alone: nothing is unpacked
    except (zipfile.BadZipFile, ValueError, OSError):
        return ""
    has_macros = any("vbaproject" in part.lower() or part.lower().endswith((".exe", ".js", ".vbs")) for part in parts)
    if "[Content_Types].xml" not in parts or len(parts) > MOST_PARTS or has_macros:
        return ""
    return next((kind for folder, (_ending, kind) in OFFICE.items() if any(p.startswith(folder) for p in parts)), "")


def clean_title(name: str, content_type: str) -> str:
    """Return a file's name without path and control characters, ending as its bytes say."""
    bare = "".join(one for one in name.replace("\\", "/").rpartition("/")[2] if one.isprintable()).strip(" .")
    ending = ENDINGS[content_type]
    stem = bare.rpartition(".")[0] or bare if bare.lower().endswith((f".{ending}",)) else bare
    return f"{(stem or '文件')[: 119 - len(ending)]}.{ending}"
