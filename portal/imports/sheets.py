"""Files of rows as spreadsheets and old systems write them: what encoding, what separator, which cells in which row."""

import codecs
import csv
import io
import re
from collections.abc import Iterator
from typing import NamedTuple

from django.utils.translation import gettext as _

from portal import characters
from portal.imports.faults import Code, Fault

SEPARATORS = ",\t;|"
# Excel's own first line, which no spreadsheet shows as a row.
SEPARATOR_LINE = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
PIECE = 1 << 16
# Bytes that CP932 leaves free, and Python reads as these: no Japanese text has them.
NEVER = re.compile("[\x80\xa0\uf8f0-\uf8f3]")
# How .xlsx and every ZIP begin, .xls, and what else is taken for a table.
WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"%PDF-")
NAMES = {"utf-8": "UTF-8", "utf-8-sig": "UTF-8 (BOM)", "utf-16-le": "UTF-16", "utf-16-be": "UTF-16", "cp932": "CP932"}


def why_not(error: OSError) -> str:
    """In words, why a file of this machine can't be read or written."""
    if isinstance(error, FileNotFoundError):
        return _("その名前のファイルがありません。")
    if isinstance(error, IsADirectoryError):
        return _("フォルダです。ファイルの名前まで書いてください。")
    if isinstance(error, PermissionError):
        return _("権限がありません。")
    return error.strerror or str(error)


class Unreadable(Exception):
    """The file is no file of rows; `fault` says where that shows."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.text)
        self.fault = fault


class Record(NamedTuple):
    """One row that says something; `line` is its number as a spreadsheet counts, in which a quoted line break is no new row."""

    line: int
    cells: list[str]


class Sheet(NamedTuple):
    """A file of rows: `encoding` is Python's name, `heading` the first row that says something."""

    content: bytes
    encoding: str
    separator: str
    heading: Record

    @property
    def encoding_name(self) -> str:
        return NAMES[self.encoding]

    def records(self) -> Iterator[Record]:
        """The rows under the heading that say something. Raises Unreadable where one is no CSV."""
        rows = filled(rows_of(self.content, self.encoding, self.separator))
        next(rows)
        yield from rows


def sheet_of(content: bytes) -> Sheet:
    """Find out how the file is written. Raises Unreadable for what is none: another encoding, nothing in it."""
    if content.startswith(WORKBOOKS):
        told = _(
            "Excelのブックか、CSVではないファイルです。Excelで開き、「CSV UTF-8」か「Unicode テキスト」で保存し直してください。"
        )
        raise Unreadable(Fault(1, "", "", Code.ENCODING, told))
    encoding = encoding_of(content)
    separator = separator_of(content, encoding)
    heading = next(filled(rows_of(content, encoding, separator)), None)
    if heading is None:
        raise Unreadable(Fault(1, "", "", Code.EMPTY, _("ファイルに何も書かれていません。")))
    return Sheet(content, encoding, separator, heading)


def encoding_of(content: bytes) -> str:
    """UTF-8, with or without a byte order mark, UTF-16 or CP932, whichever it can be read in. Raises Unreadable.

    Never with a replacement character: where it can be read in none, the place is named.
    """
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ):
        if content.startswith(mark):
            candidates = [encoding]
            break
    else:
        nulls = content[:PIECE:2].count(0), content[1:PIECE:2].count(0)
        wide = max(nulls) * 40 > len(content[:PIECE])  # of UTF-16 every separator, digit and line end has one
        candidates = ["utf-16-be" if nulls[0] > nulls[1] else "utf-16-le"] if wide else ["utf-8", "cp932"]
    wrong = {encoding: first_wrong_byte(content, encoding) for encoding in candidates}
    if readable := [encoding for encoding in candidates if wrong[encoding] is None]:
        return readable[0]
    encoding, place = max(wrong.items(), key=lambda each: each[1] or 0)
    text = content[:place].decode(encoding, errors="ignore")
    line, column = text.count("\n") + 1, len(text) - text.rfind("\n")
    told = _(
        "%(column)d文字目が %(encoding)s として読めません。UTF-8、UTF-16、CP932（Shift_JIS）のどれかで保存してください。"
    )
    raise Unreadable(Fault(line, "", "", Code.ENCODING, told % {"column": column, "encoding": NAMES[encoding]}))


def first_wrong_byte(content: bytes, encoding: str) -> int | None:
    """Where the content can't be read in this encoding, None if all of it can; in pieces, for it may be long."""
    decoder = codecs.getincrementaldecoder(encoding)()
    for begin in range(0, len(content) or 1, PIECE):
        piece = content[begin : begin + PIECE]
        waiting = len(decoder.getstate()[0])
        try:
            text = decoder.decode(piece, final=begin + PIECE >= len(content))
        except UnicodeDecodeError as error:
            return begin - waiting + error.start
        if encoding == "cp932" and (found := NEVER.search(text)):
            return begin - waiting + len(text[: found.start()].encode("cp932", errors="ignore"))
    return None


def separator_of(content: bytes, encoding: str) -> str:
    """What stands between the cells: what Excel's own line says, else whatever occurs most in the first line that says something."""
    lines = (line for line in text_of(content, encoding) if characters.trimmed(line))
    first = next(lines, "")
    if found := SEPARATOR_LINE.fullmatch(first.rstrip("\r\n")):
        return found[1]
    return max(SEPARATORS, key=first.count)


def rows_of(content: bytes, encoding: str, separator: str) -> Iterator[Record]:
    """All rows, blank ones too, as a spreadsheet counts them from 1. Raises Unreadable."""
    lines = text_of(content, encoding)
    begin = lines.tell()
    if not SEPARATOR_LINE.fullmatch(lines.readline().rstrip("\r\n")):
        lines.seek(begin)
    line = 0
    try:
        for line, cells in enumerate(csv.reader(lines, delimiter=separator, strict=True), start=1):
            yield Record(line, cells)
    except csv.Error as error:
        told = _("CSVとして読めません（%s）。引用符の付け方を確かめてください。") % error
        raise Unreadable(Fault(line + 1, "", "", Code.NO_CSV, told)) from None


def text_of(content: bytes, encoding: str) -> io.TextIOWrapper:
    text = io.TextIOWrapper(io.BytesIO(content), encoding, newline="")
    if encoding.startswith("utf-16") and text.read(1) != "\ufeff":
        text.seek(0)
    return text


def filled(rows: Iterator[Record]) -> Iterator[Record]:
    """Those in which something is written, if only what nobody sees is left out."""
    return (row for row in rows if any(characters.trimmed(cell) for cell in row.cells))
