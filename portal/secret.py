"""What other users of the machine may not read: the data folder, and the secret key of an installation that was given none."""

import os
import secrets
import stat


def own_folder(path):
    """Make the folder; of one of ours that is there already, others lose the right to list it and to write. A shared one stays.

    The right to pass through stays too: the embedded server's user may need it (portal/db/embedded.py).
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = path.stat()
    if found.st_uid == os.geteuid() and found.st_mode & 0o066 and not found.st_mode & stat.S_ISVTX:
        path.chmod(stat.S_IMODE(found.st_mode) & ~0o066)


def kept_in(path):
    """The key in `path`, made at first use and readable by its owner; safe when several processes start at once."""
    own_folder(path.parent)
    if not path.exists():
        made = path.with_name(f"{path.name}.{os.getpid()}")
        made.touch(mode=0o600)
        made.write_text(secrets.token_urlsafe(50))
        try:
            os.link(made, path)  # fails if another process was first; its key is then everybody's
        except FileExistsError:
            pass
        finally:
            made.unlink()
    return path.read_text().strip()
