"""Templates read like code: short lines, and one box a line."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2] / "templates"
TEMPLATES = sorted(ROOT.rglob("*.html"))
LONGEST = 140
BOXES = "address|article|details|div|dl|fieldset|footer|form|h[1-6]|header|main|nav|ol|p|section|table|tbody|tfoot|thead|tr|ul"
OPENED = re.compile(rf"<(?:{BOXES})\b")


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def it_keeps_lines_short_and_opens_one_box_a_line(path):
    lines = list(enumerate(path.read_text().splitlines(), start=1))
    assert [number for number, line in lines if len(line) > LONGEST] == []
    assert [number for number, line in lines if len(OPENED.findall(line)) > 1] == []
