"""The change history: who did what; rows are only ever added."""

from portal.models import HistoryEvent


def record(action, subject, *, by=None, customer=None, detail="", **data):
    """Add one event; `by` is the user who acted, None for the portal itself. Runs in the caller's transaction.

    `detail` is what the company's users read beside it, `data` what else an auditor may want; neither holds a secret.
    """
    return HistoryEvent.objects.create(
        customer=customer,
        actor=by,
        actor_name=by.name if by else "",
        action=action,
        subject=str(subject)[:100],
        detail=str(detail)[:200],
        data=data,
    )
