"""Static files of the web process: names with a hash, compressed once, cacheable for ever."""

from django.conf import settings
from django.core.files.storage import FileSystemStorage
from whitenoise.storage import CompressedManifestStaticFilesStorage


class Storage(CompressedManifestStaticFilesStorage):
    """Keeps the vendored files as published: their references to source maps that aren't shipped stay untouched."""

    manifest_strict = True

    def __init__(self, *args, **kwargs):
        """The list of all files lies beside the folder, where nobody is served it."""
        super().__init__(*args, **{"manifest_storage": FileSystemStorage(settings.DATA), **kwargs})

    patterns = (("*.css", CompressedManifestStaticFilesStorage.patterns[0][1][:2]),)
