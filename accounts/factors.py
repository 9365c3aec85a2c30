"""The second factor: time-based codes of an app, and recovery codes for the day the phone is gone."""

import time
from base64 import b32encode
from os import urandom

import segno
from django.utils.safestring import mark_safe
from django_otp import match_token
from django_otp.oath import TOTP
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts import throttle

RECOVERY_CODES = 10


def accepts(user, code):
    """Whether this is a code of now, or an unused recovery code (which is used up by it). Throttled per person."""
    key = throttle.key_of("second step", user.pk)
    if not throttle.count((throttle.ACCOUNT, key)) or match_token(user, code) is None:
        return False
    throttle.forget(key)
    return True


def waiting_key(session):
    """The key (hex) that waits in the session until a first code proves that the person's app has it."""
    return session.setdefault("factor_key", urandom(20).hex())


def picture(user, key):
    """The key as a QR code (SVG)."""
    url = TOTPDevice(user=user, key=key).config_url
    return mark_safe(segno.make(url, error="m").svg_inline(omitsize=True, border=4, dark="#000", light="#fff"))


def readable(key):
    """The key for typing, in groups of four."""
    text = b32encode(bytes.fromhex(key)).decode()
    return " ".join(text[place : place + 4] for place in range(0, len(text), 4))


def add(user, key, code):
    """Store the app's key if the code is one of now. Returns whether it was."""
    totp = TOTP(bytes.fromhex(key))
    totp.time = time.time()
    if not (code.isdecimal() and totp.verify(int(code), tolerance=1)):
        return False
    TOTPDevice.objects.create(user=user, name="app", key=key, confirmed=True, last_t=totp.t())
    return True


def make_recovery_codes(user):
    """New recovery codes; older ones no longer work."""
    StaticDevice.objects.filter(user=user).delete()
    device = StaticDevice.objects.create(user=user, name="recovery")
    codes = [StaticToken.random_token() for _ in range(RECOVERY_CODES)]
    StaticToken.objects.bulk_create(StaticToken(device=device, token=code) for code in codes)
    return codes


def recovery_codes_left(user):
    return StaticToken.objects.filter(device__user=user).count()


def remove(user):
    TOTPDevice.objects.filter(user=user).delete()
    StaticDevice.objects.filter(user=user).delete()
