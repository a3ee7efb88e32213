"""CSV and Excel files as rows of text: encodings, headers and cells, without loading a large file into memory."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, BinaryIO

import python_calamine

CHUNK = 1 << 20
MAX_ZIP_RATIO = 100
EXACT_FLOAT = 2**53


class FileRefused(Exception):
    """The file as a whole cannot be read; the text says in one sentence why and what to do."""


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row of a file. `fault` says why its cells cannot be trusted."""

    line: int
    cells: dict[str, str]
    fault: str = ""


class Table:
    """The first sheet of a file: its titles at once, its rows one by one."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise FileRefused(f"找不到文件 {path}")
        self.path = path
        self.size = path.stat().st_size
        with path.open("rb") as file:
            magic = file.read(4)
        self.is_excel = magic.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0"))
        self.is_gzip = magic.startswith(b"\x1f\x8b")
        self._raw: BinaryIO | None = None
        rows = self._excel() if self.is_excel else self._csv()
        first = next(rows, None)
        if first is None or not self.size:
            raise FileRefused("文件是空的")
        self.titles = self._read_titles([cell.strip() for cell in first[1]])
        self._rows = rows

    @property
    def position(self) -> int:
        """Return how many bytes of the file have been read, for a progress bar."""
        return self.size if self._raw is None or self._raw.closed else self._raw.tell()

    def _read_titles(self, cells: list[str]) -> list[str]:
        places: dict[str, list[int]] = {}
        for place, title in enumerate(cells, 1):
            if title:
                places.setdefault(title, []).append(place)
        twice = [f"「{title}」（第 {'、'.join(map(str, at))} 列）" for title, at in places.items() if len(at) > 1]
        if twice:
            raise FileRefused(f"列名重复：{'，'.join(twice)}。请改成不同的列名再导入")
        if not places:
            raise FileRefused("第一行应该是列名")
        return cells

    def __iter__(self) -> Iterator[TableRow]:
        for line, cells, fault in self._rows:
            if not fault and not any(cells):
                continue
            if not fault and any(cells[len(self.titles) :]):
                fault = f"这一行有 {len(cells)} 列，比列名多"
            padded = cells + [""] * (len(self.titles) - len(cells))
            yield TableRow(line, {t: c.strip() for t, c in zip(self.titles, padded, strict=False) if t}, fault)

    # ------------------------------------------------------------ CSV

    def _csv(self) -> Iterator[tuple[int, list[str], str]]:
        encoding = self._encoding()
        with self.path.open("rb") as raw:
            self._raw = raw
            with io.TextIOWrapper(self._plain(raw), encoding=encoding, newline="") as text:
                start = text.readline()
                delimiter = max(",\t;", key=start.count) if start.strip() else ","
                reader = csv.reader(_rest(start, text), delimiter=delimiter)
                while True:
                    line = reader.line_num + 1
                    try:
                        yield line, next(reader), ""
                    except StopIteration:
                        return
                    except csv.Error:
                        yield line, [], "这一行读不懂（引号没有配对，或一格太长）"
                    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                        raise FileRefused("压缩文件不完整，请重新取得文件") from error

    def _plain(self, raw: BinaryIO) -> Any:
        return gzip.GzipFile(fileobj=raw) if self.is_gzip else raw

    def _encoding(self) -> str:
        """Find the encoding by reading the file once: UTF-8 (with or without mark), else GBK in its widest form."""
        with self.path.open("rb") as raw:
            start = self._plain(raw).read(2)
        if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            return "utf-16"
        for encoding in ("utf-8-sig", "gb18030"):
            if self._is_readable_as(encoding):
                return encoding
        raise FileRefused("认不出文件的编码：不是 UTF-8，也不是 GBK。请另存为 UTF-8 的 CSV 再导入")

    def _is_readable_as(self, encoding: str) -> bool:
        decoder = codecs.getincrementaldecoder(encoding)()
        with self.path.open("rb") as raw:
            plain = self._plain(raw)
            try:
                while chunk := plain.read(CHUNK):
                    decoder.decode(chunk)
                decoder.decode(b"", final=True)
            except UnicodeDecodeError:
                return False
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                raise FileRefused("压缩文件不完整，请重新取得文件") from error
        return True

    # ------------------------------------------------------------ Excel

    def _excel(self) -> Iterator[tuple[int, list[str], str]]:
        if zipfile.is_zipfile(self.path):
            with zipfile.ZipFile(self.path) as archive:
                unpacked = sum(entry.file_size for entry in archive.infolist())
            if unpacked > self.size * MAX_ZIP_RATIO:
                raise FileRefused("这个 Excel 文件解压后大得不正常，没有打开")
        try:
            book = python_calamine.load_workbook(str(self.path))
            sheet = book.get_sheet_by_index(0)
        except python_calamine.PasswordError as error:
            raise FileRefused("这个 Excel 文件有密码，请去掉密码再导入") from error
        except (python_calamine.CalamineError, OSError, ValueError) as error:
            raise FileRefused("这个 Excel 文件打不开，请另存为 .xlsx 再导入") from error
        first = (sheet.start or (0, 0))[0] + 1
        for line, row in enumerate(sheet.iter_rows(), first):
            faults: list[str] = []
            cells = [_cell(value, faults.append) for value in row]
            yield line, cells, faults[0] if faults else ""


def _rest(start: str, text: io.TextIOWrapper) -> Iterator[str]:
    yield start
    yield from text


def _cell(value: Any, complain: Callable[[str], None]) -> str:
    """Return a cell as a person reads it. Excel keeps whole numbers as floats: 13800132075.0 is a phone."""
    match value:
        case str():
            return value
        case bool():
            return "是" if value else "否"
        case float() if value.is_integer():
            if abs(value) > EXACT_FLOAT:
                complain("数字太长，Excel 已经丢了末位；请把这一列设为文本格式重新填写")
            return str(int(value))
        case float():
            return repr(value)
        case datetime():
            return value.isoformat(" ", "seconds")
        case date() | time():
            return value.isoformat()
    return "" if value is None else str(value)
