"""Starting, watching and ending the processes of `manage.py demo`: none may outlive it, whatever ends it."""

import ctypes
import os
import signal
import subprocess
import time
from contextlib import suppress

GRACE_SECONDS = 5.0  # seconds between the polite signal and the one that can't be refused
PR_SET_PDEATHSIG = 1


def die_with_parent():
    """Runs in the child: the kernel sends it SIGTERM when its parent is gone, even after kill -9 (Linux only)."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "prctl"):
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Signals:
    """Notes the first SIGINT, SIGTERM or SIGHUP in `caught` (0: none yet) and does nothing else.

    SIGINT counts even where a shell's `&` made it ignored; SIGHUP stays ignored under nohup.
    """

    def __init__(self):
        self.caught = 0

    def listen(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self.note)

    def note(self, number, frame):
        self.caught = self.caught or number


class Children:
    """Named processes, each in a session of its own, so that Ctrl-C reaches the parent alone."""

    def __init__(self, *, cwd, env, keep_open):
        self.options = {"cwd": cwd, "env": env, "pass_fds": [keep_open]}
        self.running = {}

    def start(self, name, command):
        self.running[name] = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=die_with_parent, **self.options
        )

    def dead(self):
        """The name of a child that has ended, or None."""
        return next((name for name, child in self.running.items() if child.poll() is not None), None)

    def end(self):
        """End all and wait for them; whoever is left after GRACE_SECONDS seconds is killed with its whole group."""
        for child in self.running.values():
            if child.poll() is None:
                child.terminate()
        until = time.monotonic() + GRACE_SECONDS
        for child in self.running.values():
            with suppress(subprocess.TimeoutExpired):
                child.wait(max(0, until - time.monotonic()))
            # The group outlives its leader if the leader was killed: what it left is ended too.
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        self.running.clear()
