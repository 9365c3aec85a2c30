"""Static files of the web process: names with a hash, compressed once, cacheable for ever."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class Storage(CompressedManifestStaticFilesStorage):
    """Keeps the vendored files as published: their references to source maps that aren't shipped stay untouched."""

    manifest_strict = True
    patterns = (("*.css", CompressedManifestStaticFilesStorage.patterns[0][1][:2]),)
