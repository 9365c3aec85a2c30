"""The secret key of an installation that was given none: made once, kept in the data folder, readable by its owner."""

import os
import secrets


def kept_in(path):
    """The key in `path`, made at first use; safe when several processes start at once."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
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
