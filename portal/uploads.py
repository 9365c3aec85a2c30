"""What becomes of an uploaded file: the vendor's page takes a small picture, imports take large ones, everywhere else files are dropped unread."""

from io import BytesIO

from django.core.files.uploadedfile import InMemoryUploadedFile
from django.core.files.uploadhandler import FileUploadHandler, MemoryFileUploadHandler

TAKES = "/admin/portal/vendor/"
# Of a file that are kept in memory; the rest is dropped, and whoever reads it refuses it as too large.
MOST_BYTES = 256 * 1024


class Small(FileUploadHandler):
    """Keeps the beginning of a file, in memory only."""

    def handle_raw_input(self, input_data, META, content_length, boundary, encoding=None):
        self.wanted = META.get("PATH_INFO", "").startswith(TAKES)

    def new_file(self, *args, **kwargs):
        super().new_file(*args, **kwargs)
        self.held = BytesIO()

    def receive_data_chunk(self, raw_data, start):
        if self.wanted:
            self.held.write(raw_data[: MOST_BYTES - self.held.tell()])

    def file_complete(self, file_size):
        if not self.wanted:
            return None
        size = self.held.tell()
        self.held.seek(0)
        return InMemoryUploadedFile(
            self.held, self.field_name, self.file_name, self.content_type, size, self.charset, self.content_type_extra
        )


class Whole(MemoryFileUploadHandler):
    """Keeps all of a file, in memory only; how large a request may be was looked at before."""

    def handle_raw_input(self, input_data, META, content_length, boundary, encoding=None):
        self.activated = True
