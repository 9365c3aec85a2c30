"""What can be wrong with a file: each kind has a code for life, under which the manual tells what to do."""

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import NamedTuple

STRETCHES = 5  # of rows that a message names


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


class Same(NamedTuple):
    """A fault as it is told once, and all rows that have it, in their order."""

    fault: Fault
    lines: list[int]

    @property
    def rows(self) -> str:
        """5～9、11: the first ones of the stretches of rows that follow each other."""
        shown = stretches(self.lines)[:STRETCHES]
        return "、".join(f"{first}" if first == last else f"{first}～{last}" for first, last in shown)

    @property
    def is_cut(self) -> bool:
        """Whether `rows` leaves some out."""
        return len(stretches(self.lines)) > STRETCHES


def stretches(lines: Iterable[int]) -> list[tuple[int, int]]:
    """(first, last) of each run of rows without a gap."""
    found: list[tuple[int, int]] = []
    for line in lines:
        if found and line <= found[-1][1] + 1:
            found[-1] = found[-1][0], line
        else:
            found.append((line, line))
    return found


def together(faults: Iterable[Fault]) -> Iterator[Same]:
    """What is the same in many rows as one, so that the others are seen beside it; in the order of their first rows."""
    found: dict[tuple[str, ...], Same] = {}
    for fault in faults:
        found.setdefault(fault[1:], Same(fault, [])).lines.append(fault.line)
    yield from found.values()
