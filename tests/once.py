"""What is dear to make and the same for all processes of a run: the first that asks makes it, the others take it from a file."""

import fcntl
import pickle
from pathlib import Path

folder: Path | None = None  # of this run; none outside pytest


def made_once(name, make):
    """What `make` returns, which can be pickled; called once in a run for each name."""
    if folder is None:
        return make()
    kept = folder / f"{name}.made"
    with open(folder / f"{name}.lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            kept.write_bytes(pickle.dumps(make()))
    return pickle.loads(kept.read_bytes())
