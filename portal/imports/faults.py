"""What can be wrong with a file: each kind has a code for life, under which the manual tells what to do."""

from enum import StrEnum
from typing import NamedTuple


class Code(StrEnum):
    ENCODING = "IM-001"
    NO_CSV = "IM-002"
    EMPTY = "IM-003"
    NO_COLUMN = "IM-004"
    COLUMN_TWICE = "IM-005"
    TOO_MANY_CELLS = "IM-006"
    NEEDED = "IM-011"
    UNREADABLE = "IM-012"
    NOT_CLEARED = "IM-013"
    TWICE = "IM-014"
    UNKNOWN = "IM-015"
    CONTRADICTION = "IM-016"
    REFUSED = "IM-021"
    NO_PDF = "IM-031"
    SURPLUS_PDF = "IM-032"
    BAD_PDF = "IM-033"
    LOCKED_PDF = "IM-034"
    PDF_TWICE = "IM-035"
    OTHER_PDF = "IM-036"


class Fault(NamedTuple):
    """What is wrong: the row as a spreadsheet counts it, the column's heading, what is written there, why it can't be taken."""

    line: int
    heading: str
    value: str
    code: Code
    text: str
