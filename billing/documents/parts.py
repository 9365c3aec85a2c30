"""A very long annex: laid out some hundred rows at a time, because WeasyPrint keeps all it lays out, and joined into one tagged PDF.

What is printed doesn't show it: a part ends where its last full page ends, the next one goes on with the row behind, and head and
foot come from empty sheets that are counted through with the first page (docs/adr/0012-long-annex-in-parts.md).
"""

from io import BytesIO

MOST_LINES = 500  # of a document that is laid out in one piece
ROWS = 250  # laid out at a time where there are more; a page holds about 25, and a part must be longer than that


def render(lay_out, write, lines):
    """Bytes of the document with these lines.

    `lay_out(template, **context)` gives a document of WeasyPrint, `write(document, part)` its tagged PDF.
    """
    parts: list[bytes] = []
    sheets = before = 0
    while before < len(lines):
        content, pages, before = render_part(lay_out, write, lines, before, number=len(parts) + 1)
        parts.append(content)
        sheets += pages
    whole = lay_out("invoice", sheets=range(sheets))
    face, empty = whole.pages[:-sheets], whole.pages[-sheets:]
    return join(write(whole.copy(face), 0), whole.copy(empty).write_pdf(), parts)


def render_part(lay_out, write, lines, before, number):
    """(PDF, its pages, lines of the document up to its end) of the part behind the first `before` lines; `number` is 1, 2 …"""
    part = lay_out("part", rows=lines[before : before + ROWS], part=True, before=before)
    if before + ROWS >= len(lines):
        return write(part, number), len(part.pages), len(lines)
    *full, unfinished = part.pages
    return write(part.copy(full), number), len(full), min(map(int, unfinished.anchors)) - 1


def join(face, sheets, parts):
    """One PDF of the first pages, and the parts' pages with the head and foot of a sheet each."""
    import pikepdf

    document = pikepdf.open(BytesIO(face))
    tags, first = document.Root.StructTreeRoot, document.pages[0]
    top = float(first.mediabox[3])
    marks = iter(pikepdf.open(BytesIO(sheets)).pages)
    for content in parts:
        part = pikepdf.open(BytesIO(content))
        begin = len(document.pages)
        document.pages.extend(part.pages)  # before the tags: these then name the copied pages
        added = document.copy_foreign(part.Root.StructTreeRoot)
        for element in added.K[0].K:
            element.P = tags.K[0]
            tags.K[0].K.append(element)
        for number, page in enumerate(document.pages[begin:]):
            page.StructParents = begin + number
            tags.ParentTree.Nums.append(begin + number)
            tags.ParentTree.Nums.append(added.ParentTree.Nums[2 * number + 1])
            page.Resources.ColorSpace = first.Resources.ColorSpace  # one colour profile for all
            stamp(document, page, next(marks), f"/Sheet{number}")
        with part.open_outline() as headings, document.open_outline() as outline:
            for heading in headings.root:
                outline.root[0].children.append(pikepdf.OutlineItem(heading.title, begin, "XYZ", top=top))
    made = BytesIO()
    document.save(made, deterministic_id=True, object_stream_mode=pikepdf.ObjectStreamMode.generate)
    return made.getvalue()


def stamp(document, page, sheet, name):
    """Draw the sheet over the page, as what isn't part of the text (PDF/UA: an artifact of pagination)."""
    import pikepdf

    drawn = document.copy_foreign(sheet.as_form_xobject())
    page.add_resource(drawn, pikepdf.Name.XObject, pikepdf.Name(name))
    page.contents_add(b"q", prepend=True)
    page.contents_add(f"Q /Artifact <</Type /Pagination>> BDC {name} Do EMC".encode())
