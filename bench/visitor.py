"""Somebody with a browser and an authenticator app: talks HTTPS with nginx on this machine, and fills in forms."""

import base64
import hashlib
import hmac
import http.client
import re
import ssl
import struct
import time
from html.parser import HTMLParser
from urllib.parse import urlencode

from bench.debian import Wrong

HOST = "portal.example.test"


class Form(HTMLParser):
    """The fields of the form that has a `csrfmiddlewaretoken` and most of them, as a browser would send them untouched."""

    def __init__(self, html):
        super().__init__()
        self.fields, self.select, self.area = {}, None, None
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        name = given.get("name")
        if tag == "input" and name and given.get("type") not in ("submit", "file", "button"):
            if given.get("type") not in ("checkbox", "radio") or "checked" in given:
                self.fields[name] = given.get("value") or ("on" if given.get("type") == "checkbox" else "")
        elif tag == "select":
            self.select = name
        elif tag == "option" and self.select and ("selected" in given or self.select not in self.fields):
            self.fields[self.select] = given.get("value") or ""
        elif tag == "textarea":
            self.area = name
            self.fields[name] = ""

    def handle_endtag(self, tag):
        if tag == "select":
            self.select = None
        elif tag == "textarea":
            self.area = None

    def handle_data(self, data):
        if self.area:
            self.fields[self.area] += data.removeprefix("\n")


class Browser:
    """Talks HTTPS with nginx on this machine, and believes the certificate that was made for the trial."""

    def __init__(self):
        self.cookies = {}

    def ask(self, path, typed=None):
        """(status, headers, text)"""
        trust = ssl._create_unverified_context()
        connection = http.client.HTTPSConnection("127.0.0.1", 443, context=trust, timeout=60)
        headers = {"Host": HOST, "Referer": f"https://{HOST}{path}"}
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if typed is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        body = None if typed is None else urlencode(typed)
        connection.request("GET" if typed is None else "POST", path, body, headers)
        answer = connection.getresponse()
        for cookie in answer.headers.get_all("Set-Cookie") or []:
            name, _equals, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
        content = answer.read()
        connection.close()
        return answer.status, answer.headers, content.decode(errors="replace")

    def page(self, path):
        status, headers, text = self.ask(path)
        if status in (301, 302):
            return self.page(headers["Location"])
        if status != 200:
            raise Wrong(f"{path}: {status}")
        return text

    def save(self, path, **typed):
        """Fill in the form of a page; the answer has to lead on to another."""
        fields = Form(self.page(path)).fields | typed
        status, headers, text = self.ask(path, fields)
        if status != 302:
            told = re.findall(r'class="errorlist[^>]*>(.*?)</ul>', text, re.S)
            raise Wrong(f"{path}: {status} {[re.sub('<[^>]+>', ' ', each).strip() for each in told]}")
        if not headers["Location"].startswith(path.rsplit("/", 2)[0].removesuffix("/add")) and "login" not in path:
            raise Wrong(f"{path} leads to {headers['Location']}")


def totp(key):
    """The six digits that an app shows now for this key (RFC 6238)."""
    counter = struct.pack(">Q", int(time.time()) // 30)
    digest = hmac.new(base64.b32decode(key + "=" * (-len(key) % 8)), counter, hashlib.sha1).digest()
    (number,) = struct.unpack(">I", digest[digest[-1] & 15 :][:4])
    return f"{(number & 0x7FFFFFFF) % 1_000_000:06}"
