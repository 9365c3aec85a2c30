"""The machine and what the operator set: key, address, clock, disk, files, fonts, mail server."""

import shutil
import smtplib
import ssl
import stat
import tempfile
import time
from contextlib import closing
from email.utils import parseaddr
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urljoin, urlsplit

from django.conf import settings
from django.core.mail import get_connection
from django.core.mail.backends.smtp import EmailBackend
from django.db import connection
from django.urls import reverse

from billing.doctor.findings import odd, well, wrong
from portal import fonts
from portal.db import ready

ENV = "/etc/portal.env"
SHORTEST_KEY = 50
LEAST_FREE, LITTLE_FREE = 1 * 1024**3, 5 * 1024**3  # bytes
SMTP_SECONDS = 3
SITE_SECONDS = 2
REDIRECTS = (301, 302, 303, 307, 308)
SAMPLE = '<html lang="ja"><title>診断</title><p>請求書 0123456789 髙﨑 <b>合計</b></p></html>'


def secret_key():
    key = settings.SECRET_KEY
    if len(key) < SHORTEST_KEY or len(set(key)) < 5:
        return wrong(
            f"SECRET_KEY が短すぎます（{len(key)}文字）",
            f"{ENV} の SECRET_KEY を50文字以上の乱数にし、Webとワーカーを再起動します（全員がログアウトします）。",
        )
    return well("SECRET_KEY は十分な長さです")


def debug():
    if settings.DEBUG:
        return wrong(
            "DEBUG が有効で、エラーの内部がそのまま表示されます", "DJANGO_SETTINGS_MODULE を外して再起動します。"
        )
    return well("DEBUG は無効です")


def address():
    host = urlsplit(settings.PORTAL_URL).hostname
    if settings.HTTPS or host in ("localhost", "127.0.0.1"):
        return well(f"アドレスは {settings.PORTAL_URL} です")
    return wrong(
        f"PORTAL_URL が暗号化されていません（{settings.PORTAL_URL}）",
        f"{ENV} の PORTAL_URL を https:// にし、再起動します。",
    )


def site():
    """What a browser sees first. From inside the network the address may not be reached although customers reach it."""
    page = f"{settings.PORTAL_URL}{reverse('login')}"
    try:
        status, location = first_answer(page)
    except ssl.SSLCertVerificationError as fault:
        return odd(
            f"{page} の証明書を信頼できません（{fault.verify_message}）",
            "証明書のホスト名と期限、fullchain.pem に中間証明書があるかを確認します。",
        )
    except (OSError, HTTPException) as fault:
        return odd(
            f"{page} を、このマシンからは開けません（{type(fault).__name__}）",
            "Webとnginxが動いているか、DNSを確認します。お客様から開けるなら、このままで構いません。",
        )
    if status in REDIRECTS and urljoin(page, location) == page:
        return odd(
            f"{page} が自分自身へのリダイレクトを繰り返します",
            "nginxの location に proxy_set_header X-Forwarded-Proto $scheme; を書き、再読込します。",
        )
    if status != HTTPStatus.OK:
        return odd(
            f"{page} が {status} を返します",
            "ほかのサーバに届いていないか、nginxの設定と journalctl -u portal-web -n 20 を確認します。",
        )
    return well(f"{settings.PORTAL_URL} が開けます")


def first_answer(page):
    """(status, where it redirects to), following no redirect. Raises OSError or HTTPException."""
    parts = urlsplit(page)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    with closing(kind(parts.netloc, timeout=SITE_SECONDS)) as line:
        line.request("GET", parts.path)
        answer = line.getresponse()
        return answer.status, answer.getheader("Location", "")


def proxies():
    if settings.HTTPS and not settings.TRUSTED_PROXIES:
        return wrong(
            "TRUSTED_PROXIES が 0 です。すべてのお客様が同じIPアドレスに見え、パスワードの間違いで全員が待たされます",
            f"{ENV} に TRUSTED_PROXIES=1（自社のプロキシの段数）を書き、再起動します。",
        )
    return well(f"プロキシは {settings.TRUSTED_PROXIES} 段です")


def clock():
    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())")
        apart = abs(float(cursor.fetchone()[0]) - time.time())
    if apart > 60:
        return wrong(
            f"このマシンとデータベースの時計が {apart:.0f} 秒ずれています", "timedatectl で時刻の同期を有効にします。"
        )
    if apart > 5:
        return odd(
            f"このマシンとデータベースの時計が {apart:.0f} 秒ずれています", "timedatectl で時刻の同期を確認します。"
        )
    return well("時計は合っています")


def disk():
    free = shutil.disk_usage(settings.DATA).free
    text = f"空き容量は {free / 1024**3:.1f} GB です（{settings.DATA}）"
    if free < LEAST_FREE:
        return wrong(text, "不要なファイルを消すか、ディスクを増やします。")
    return odd(text, "ディスクを増やす準備をします。") if free < LITTLE_FREE else well(text)


def data_folder():
    try:
        tempfile.TemporaryFile(dir=settings.DATA).close()
    except OSError as fault:
        return wrong(
            f"{settings.DATA} に書けません（{fault.strerror}）",
            f"chown -R portal:portal {settings.DATA}、chmod u+rwx {settings.DATA}（rootで実行）",
        )
    if settings.DATA.stat().st_mode & (stat.S_IRGRP | stat.S_IWGRP | stat.S_IROTH | stat.S_IWOTH):
        return wrong(f"{settings.DATA} をほかのユーザが読めます", f"chmod go-rw {settings.DATA}")
    return well(f"{settings.DATA} に書くことができ、ほかのユーザからは読めません")


def static_files():
    if not ready.has_static_files():
        return wrong(
            "画面の部品が集められていません。どの画面もエラーになります",
            "manage.py collectstatic --no-input、Webを再起動",
        )
    return well("画面の部品が揃っています")


def font_files():
    gone = [face.path.name for face in fonts.kept().faces if not face.path.exists()]
    if gone:
        return wrong(
            f"フォントがありません: {', '.join(gone)}", "チェックアウトの static/fonts を戻します（git status）。"
        )
    if unreadable := fonts.kept().unreadable:
        return odd(f"フォントとして読めません: {', '.join(unreadable)}", "PORTAL_FONT_DIR のファイルを取り替えます。")
    return well(f"フォントは {len(fonts.kept().faces)} 書体です")


def test_pdf():
    """As documents are laid out: with the machine's libraries, in our own faces."""
    try:
        from weasyprint import HTML

        from billing.documents import pdf

        configuration, sheet = pdf.style(pdf.LAYOUT)
        made = HTML(string=SAMPLE).write_pdf(font_config=configuration, stylesheets=[sheet], uncompressed_pdf=True)
    except Exception as fault:  # a missing library is an OSError, and whatever the layout raises
        return wrong(
            f"PDFを作れません（{type(fault).__name__}）",
            "docs/install.md の 1 のパッケージ（libpango など）を入れます。",
        )
    if f"+{fonts.SHIPPED[0][0]}".encode() not in made:
        return wrong("PDFに決まったフォントが使われません", "static/fonts/fonts.conf が読めるか確認します。")
    return well("PDFを作れます")


def mail_server():
    if settings.EMAIL_BACKEND == "portal.mail.FileBackend":
        if settings.DATABASE_URL:
            return odd(
                "メールは送られず、ファイルになります（EMAIL_URL=file:）", f"送るときは {ENV} の EMAIL_URL を書きます。"
            )
        return well("メールはファイルになります")
    server = get_connection(fail_silently=False)
    if not isinstance(server, EmailBackend):
        return well(f"メールの送り方は {settings.EMAIL_BACKEND} です")
    server.timeout = SMTP_SECONDS
    try:
        server.open()
    except smtplib.SMTPAuthenticationError:
        return wrong(
            "メールサーバがユーザ名かパスワードを断りました",
            f"{ENV} の EMAIL_URL を直します（記号は %40 のような形）。",
        )
    except (OSError, smtplib.SMTPException, ssl.SSLError) as fault:
        where = f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT}"
        return wrong(
            f"メールサーバ {where} と話せません（{type(fault).__name__}）",
            "EMAIL_URL のホスト、ポート、tls=1 と、外向きの通信を確認します。",
        )
    finally:
        server.close()
    return well(f"メールサーバ {settings.EMAIL_HOST}:{settings.EMAIL_PORT} が応答します")


def mail_from():
    host = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].partition("@")[2]
    if settings.DATABASE_URL and (host == "localhost" or "." not in host):
        return wrong(
            f"差出人のアドレスが {host} で、多くのサーバが断ります",
            f"{ENV} に MAIL_FROM=noreply@自社のドメイン を書きます。",
        )
    return well(f"差出人は {settings.DEFAULT_FROM_EMAIL} です")


CHECKS = (
    secret_key, debug, address, site, proxies, clock, disk, data_folder, static_files, font_files, test_pdf, mail_server,
    mail_from,
)  # fmt: skip
