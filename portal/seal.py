"""角印: the picture of the vendor's seal beside its name on documents; what is stored of it never changes."""

import base64
import hashlib
import io
from functools import lru_cache
from typing import IO, Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from PIL import Image

from portal.models import Seal

MOST_BYTES = 200_000
LEAST_PIXELS, MOST_PIXELS = 50, 1000


def read(file: IO[bytes] | Any) -> bytes:
    """The bytes of an uploaded picture. Raises ValidationError unless it is a whole PNG of a size that a seal has."""
    content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValidationError(_("画像は %(size)dKBまでです。") % {"size": MOST_BYTES // 1000})
    try:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as picture:
            width, height = picture.size
            picture.verify()
        if max(width, height) <= MOST_PIXELS:
            with Image.open(io.BytesIO(content), formats=["PNG"]) as picture:
                picture.load()
    except Exception as fault:  # whatever a damaged file makes a decoder raise
        raise ValidationError(_("PNG形式の画像を選んでください。")) from fault
    if not LEAST_PIXELS <= min(width, height) <= max(width, height) <= MOST_PIXELS:
        told = {"least": LEAST_PIXELS, "most": MOST_PIXELS}
        raise ValidationError(_("縦横とも%(least)dから%(most)dピクセルの画像を選んでください。") % told)
    return content


def keep(content: bytes) -> Seal:
    """Store the picture once, under its hash."""
    return Seal.objects.get_or_create(sha256=hashlib.sha256(content).hexdigest(), defaults={"content": content})[0]


@lru_cache(maxsize=4)
def picture(sha256: str) -> str:
    """The picture as a `data:` address, for a document that names it by its hash; empty without one."""
    if not sha256:
        return ""
    content = bytes(Seal.objects.values_list("content", flat=True).get(pk=sha256))
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"
