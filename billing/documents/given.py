"""What an old system hands over with its documents: a folder or a ZIP of one table and PDFs, of which one is read at a time."""

import hashlib
import logging
import unicodedata
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile, ZipFile, ZipInfo

from portal.imports.sheets import why_not

TABLE = "invoices.csv"
MOST_BYTES = 50 * 2**20  # of one PDF
MOST_OF_TABLE = 200 * 2**20
MOST_RATIO = 100  # how much larger than a ZIP its files may be: PDFs and tables don't shrink that far
FREE_BYTES = 2**20  # up to which a small ZIP may hold anything
ENCRYPTED_ENTRY = 1  # the bit of a ZIP's entry (APPNOTE 4.4.4)
DAMAGED = (OSError, BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError)

logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # what is wrong with a PDF is told by its name


class Unusable(Exception):
    """The folder or ZIP can't be taken at all; the text says why."""


class TooLarge(Exception):
    """A file is larger than any document should be."""


class Locked(Exception):
    """A PDF doesn't open without a password."""


class Given(NamedTuple):
    """The table, the names of the PDFs beside it (NFC), and a function that reads one of them."""

    table: bytes
    names: frozenset[str]
    read: Callable[[str], bytes]


class Pdf(NamedTuple):
    content: bytes
    sha256: str
    restricted: bool  # opens without a password, but asks not to be changed


def checked(content: bytes) -> Pdf:
    """The PDF as it is kept. Raises Locked, and whatever a damaged file makes its reader raise."""
    from pypdf import PasswordType, PdfReader  # here, or every command would wait for it

    reader = PdfReader(BytesIO(content))
    if reader.is_encrypted:
        try:
            opened = reader.decrypt("") != PasswordType.NOT_DECRYPTED
        except Exception as fault:  # an encryption that the reader doesn't know
            raise Locked from fault
        if not opened:
            raise Locked
    if not len(reader.pages):
        raise ValueError("no page")
    return Pdf(content, hashlib.sha256(content).hexdigest(), reader.is_encrypted)


@contextmanager
def opened(path: Path) -> Iterator[Given]:
    """What is in the folder, or in the ZIP. Raises Unusable: no table or two, a ZIP that is damaged or would burst."""
    try:
        if path.is_dir():
            yield of_folder(path)
            return
        with zip_of(path) as archive:
            yield of_zip(archive, path.stat().st_size)
    except OSError as error:
        raise Unusable(f"読めません: {why_not(error)}") from error


def of_folder(path: Path) -> Given:
    """The files of the folder itself; a link that leads out of it is none of them."""
    root = path.resolve()
    files = {named(each.name): each for each in path.iterdir() if each.is_file() and each.resolve().parent == root}
    return given(files, lambda file, most: limited(file.open("rb"), most))


def zip_of(path: Path) -> ZipFile:
    """Names that aren't marked as UTF-8 may be so all the same, else they are Windows' Japanese. Raises Unusable."""
    try:
        try:
            return ZipFile(path, metadata_encoding="utf-8")
        except UnicodeDecodeError:
            return ZipFile(path, metadata_encoding="cp932")
    except (BadZipFile, ValueError, NotImplementedError) as fault:
        raise Unusable("フォルダでもZIPでもないか、ZIPが壊れています。") from fault


def of_zip(archive: ZipFile, size: int) -> Given:
    """The files beside the table, in whatever folder of the ZIP that is."""
    entries = [info for info in archive.infolist() if not info.is_dir() and not info.filename.startswith("__MACOSX/")]
    for info in entries:
        parts = info.filename.replace("\\", "/").split("/")
        if ".." in parts or not parts[0] or parts[0].endswith(":"):
            raise Unusable(f"ZIPの中に、外を指す名前があります: {info.filename}")
        if info.flag_bits & ENCRYPTED_ENTRY:
            raise Unusable(f"ZIPにパスワードが付いています: {info.filename}")
    if sum(info.file_size for info in entries) > MOST_RATIO * size + FREE_BYTES:
        raise Unusable("ZIPを展開すると大きくなりすぎます。")
    folders = [info.filename[: -len(TABLE)] for info in entries if is_table(Path(info.filename).name)]
    folder = folders[0] if len(folders) == 1 else ""
    files: dict[str, ZipInfo] = {}
    for info in entries:
        name = named(info.filename.removeprefix(folder))
        if name in files:
            raise Unusable(f"ZIPの中に、同じ名前のファイルが2つあります: {name}")
        files[name] = info
    return given(files, lambda info, most: limited(archive.open(info), most))


def given(files: Mapping, read: Callable) -> Given:
    """Raises Unusable without exactly one table."""
    tables = [name for name in files if is_table(name)]
    if len(tables) != 1:
        raise Unusable(f"{TABLE} がありません。" if not tables else f"{TABLE} が2つあります。")
    try:
        table = read(files[tables[0]], MOST_OF_TABLE)
    except TooLarge as fault:
        raise Unusable(f"{TABLE} が大きすぎます。") from fault
    except DAMAGED as fault:
        raise Unusable(f"{TABLE} を読めません。") from fault
    names = frozenset(name for name in files if name.casefold().endswith(".pdf"))
    return Given(table, names, lambda name: read(files[name], MOST_BYTES))


def named(name: str) -> str:
    """A file's name as it is compared: macOS writes が as two characters."""
    return unicodedata.normalize("NFC", name)


def is_table(name: str) -> bool:
    return name.casefold() == TABLE


def limited(file, most: int) -> bytes:
    """All of an opened file, which is closed then; it isn't believed what size it says. Raises TooLarge."""
    with file:
        content = file.read(most + 1)
    if len(content) > most:
        raise TooLarge
    return content
