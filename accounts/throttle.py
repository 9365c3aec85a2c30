"""Growing pauses after failed tries, counted in PostgreSQL on a connection of their own, so that no rollback forgets them.

A try is counted before its password is looked at, in one statement, so a burst of parallel tries is counted too. A try
during a pause changes nothing: nobody is locked out for longer than the longest pause.
"""

import ipaddress
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

from django.conf import settings
from django.db import connection
from django.utils import timezone
from django.utils.crypto import salted_hmac


@dataclass(frozen=True)
class Limit:
    """`free` tries, then a pause that doubles with each further one, up to `longest`; quiet for `memory`: all is forgotten."""

    free: int
    pause: timedelta
    longest: timedelta
    memory: timedelta


ACCOUNT = Limit(5, timedelta(seconds=30), timedelta(minutes=15), timedelta(hours=1))
ADDRESS = Limit(50, timedelta(minutes=15), timedelta(minutes=15), timedelta(minutes=15))
RESETS_FOR_ONE = Limit(3, timedelta(hours=2), timedelta(days=1), timedelta(days=1))
RESETS_IN_ALL = Limit(20, timedelta(hours=1), timedelta(days=1), timedelta(days=1))
RESETS_FROM_ONE = Limit(20, timedelta(minutes=5), timedelta(hours=1), timedelta(hours=1))
TAKEN_ADDRESSES = Limit(20, timedelta(minutes=15), timedelta(hours=1), timedelta(hours=1))


# Beyond the /64 of one connection: a house or an office (/56) may do as much as one address, a site (/48) four times that.
WIDER = [(56, 1), (48, 4)]


def key_of(*parts):
    """The stored key: a hash, so that the table tells nobody's address."""
    return salted_hmac("accounts.throttle", "\0".join(map(str, parts)), algorithm="sha256").hexdigest()


def sign_in_key(email, known_address=""):
    """Of an account's tries; those from a place where the person signed in before have a key of their own."""
    return key_of("sign-in", email, known_address) if known_address else key_of("sign-in", email)


@contextmanager
def apart():
    """A cursor on a connection outside the request's transaction; each statement commits by itself."""
    own = connection.copy()
    try:
        with own.cursor() as cursor:
            yield cursor
    finally:
        own.close()


def waiting(key):
    """Whether it is in a pause."""
    with apart() as cursor:
        return paused(cursor, [key], timezone.now())


def paused(cursor, keys, now):
    cursor.execute("SELECT 1 FROM accounts_throttle WHERE key = ANY(%s) AND free_at > %s LIMIT 1", [keys, now])
    return cursor.fetchone() is not None


def count(*tries):
    """Count a try under each (limit, key); False, and nothing more is counted, if one of them has to wait."""
    now = timezone.now()
    with apart() as cursor:
        if paused(cursor, [key for _limit, key in tries], now):
            return False
        return all(count_one(cursor, limit, key, now) for limit, key in tries)


def count_one(cursor, limit, key, now):
    cursor.execute(
        """
        INSERT INTO accounts_throttle AS t (key, tries, tried_at, free_at)
        VALUES (%(key)s, 1, %(now)s, %(now)s)
        ON CONFLICT (key) DO UPDATE SET
            tries = CASE WHEN t.tried_at < %(forget)s THEN 1 ELSE t.tries + 1 END,
            tried_at = %(now)s,
            free_at = %(now)s + CASE
                WHEN t.tried_at < %(forget)s OR t.tries + 1 < %(free)s THEN interval '0'
                ELSE least(%(longest)s, %(pause)s * 2 ^ least(t.tries + 1 - %(free)s, 20)) END
        WHERE t.free_at <= %(now)s
        RETURNING 1
        """,
        {
            "key": key,
            "now": now,
            "forget": now - limit.memory,
            "free": limit.free,
            "pause": limit.pause,
            "longest": limit.longest,
        },
    )
    return cursor.fetchone() is not None


def forget(key):
    """After a success: it starts from nothing."""
    with apart() as cursor:
        cursor.execute("DELETE FROM accounts_throttle WHERE key = %s", [key])


def give_back(limit, key):
    """After a success: the try that was counted doesn't stand against the others who share the key."""
    with apart() as cursor:
        cursor.execute(
            "UPDATE accounts_throttle SET tries = greatest(tries - 1, 0),"
            " free_at = CASE WHEN tries - 1 < %s THEN tried_at ELSE free_at END WHERE key = %s",
            [limit.free, key],
        )


def address_of(request):
    """Where a request comes from: behind `TRUSTED_PROXIES` proxies the entry that the outermost of them wrote.

    An IPv6 address counts as its /64, which is what one connection has; `near` counts the wider networks.
    """
    given = request.META.get("REMOTE_ADDR", "")
    if hops := settings.TRUSTED_PROXIES:
        entries = [entry.strip() for entry in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")]
        given = entries[-hops] if len(entries) >= hops else given
    try:
        found = ipaddress.ip_address(host_of(given))
    except ValueError:
        return ""
    found = getattr(found, "ipv4_mapped", None) or found
    if found.version == 6:
        return str(ipaddress.ip_network((found, 64), strict=False).network_address)
    return str(found)


def host_of(entry):
    """Without the port that some proxies write: 203.0.113.5:4711, [2001:db8::1]:4711."""
    if entry.startswith("["):
        return entry[1:].partition("]")[0]
    return entry.partition(":")[0] if entry.count(":") == 1 else entry


def near(limit, what, address):
    """[(limit, key)] for a place and, where it is an IPv6 network, the wider ones around it."""
    found = [(limit, key_of(what, address))]
    if ":" in address:
        for bits, times in WIDER:
            network = ipaddress.ip_network((address, bits), strict=False)
            found.append((replace(limit, free=limit.free * times), key_of(what, network)))
    return found
