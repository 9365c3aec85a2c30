"""The blocks of the pages in docs/ that a reader copies."""

import re
from pathlib import Path

DOCS = Path(__file__).resolve().parent.parent / "docs"


def blocks(page, heading=""):
    """(language, text) of each block of a page, or of what stands under the one heading (`## 2. …`), in their order."""
    text = (DOCS / page).read_text()
    if heading:
        level = heading.partition(" ")[0]
        rest = text.partition(f"\n{heading}")[2]
        text = re.split(rf"^#{{2,{len(level)}}} ", rest, maxsplit=1, flags=re.M)[0]
    return re.findall(r"^```(\w+)\n(.*?)^```$", text, re.M | re.S)
