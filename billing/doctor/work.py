"""What should have been done by now: workers, jobs, mails, PDFs, the daily run, the backup."""

from procrastinate.contrib.django.models import ProcrastinateJob

from billing import gauges
from billing.doctor.findings import odd, well, wrong
from portal import installation
from portal.models import Mail

LONG, TOO_LONG = 180, 600  # seconds that a job may wait; a close of 100,000 customers takes longer, and is watched
HOUR = 3600
START_WORKER = "systemctl restart 'portal-worker@*'、journalctl -u 'portal-worker@*' -n 50"


def workers():
    alive = gauges.living_workers()
    if not alive:
        if not installation.at_home():
            return wrong(
                "ワーカーは、このデータベースがここのものとして登録されるまで待っています", "instance を先に直します。"
            )
        return wrong("ワーカーが動いていません。PDFもメールも作られません", START_WORKER)
    return well(f"ワーカーは {alive} 個動いています")


def queue_age():
    lane, seconds = max(gauges.oldest_jobs().items(), key=lambda each: each[1])
    text = f"いちばん古い仕事は {seconds:.0f} 秒待っています（{lane}）"
    if seconds > TOO_LONG:
        return wrong(text, START_WORKER)
    return (
        odd(text, "ワーカーを増やします（systemctl enable --now portal-worker@2）。") if seconds > LONG else well(text)
    )


def failed_jobs():
    failed = ProcrastinateJob.objects.filter(status="failed").count()
    if failed:
        return odd(f"失敗した仕事が {failed} 件残っています", "journalctl -u 'portal-worker@*' | grep failed")
    return well("失敗した仕事はありません")


def mails_overdue():
    late = gauges.overdue_mails()
    if late:
        return wrong(
            f"送れていないメールが {late} 件あります（15分以上）",
            "doctor の workers と mail_server を確認し、manage.py send_mail",
        )
    return well("メールは遅れていません")


def mails_failed():
    failed = Mail.objects.filter(state=Mail.State.FAILED).count()
    if failed:
        return odd(
            f"送信不可のメールが {failed} 件あります",
            "管理画面 → メール（状態: 送信不可）で理由を見て、直してから「もう一度送る」",
        )
    return well("送信不可のメールはありません")


def pdfs_missing():
    missing = gauges.missing_pdfs()
    if missing:
        return odd(
            f"PDFのない確定済みの請求が {missing} 件あります", "しばらく待っても減らなければ manage.py render_invoices"
        )
    return well("確定済みの請求にはPDFがあります")


def parked():
    waiting = gauges.parked()
    if waiting:
        return odd(f"保留のお客様・月が {waiting} 件あります", "管理画面 → 保留 で理由を見て直します。")
    return well("保留はありません")


def daily_run():
    since = gauges.since_daily_run()
    if since > 26 * HOUR:
        text = (
            "日次処理が一度も動いていません"
            if since == gauges.NEVER
            else f"日次処理が {since / HOUR:.0f} 時間動いていません"
        )
        return wrong(text, "systemctl enable --now portal-daily.timer、manage.py renew_contracts、manage.py open_month")
    return well(f"日次処理は {since / HOUR:.0f} 時間前に終わりました")


def backup():
    since = gauges.since_backup()
    if since > 26 * HOUR:
        text = (
            "バックアップの記録がありません"
            if since == gauges.NEVER
            else f"バックアップが {since / HOUR:.0f} 時間前のものです"
        )
        return odd(
            text, "systemctl enable --now portal-backup.timer（ほかの道具なら、終わったら manage.py note_backup）"
        )
    return well(f"バックアップは {since / HOUR:.0f} 時間前です")


CHECKS = (workers, queue_age, failed_jobs, mails_overdue, mails_failed, pdfs_missing, parked, daily_run, backup)
