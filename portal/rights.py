"""Who of the staff may do what (D37): the roles, made as groups by every `migrate`, and the question asked by services.

A right is one of Django's permissions. Pages ask for it, actions ask for it, and the services that do the work ask again.
"""

from django.contrib.auth.models import Group, Permission
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.utils.translation import gettext as _

APPS = ("portal", "accounts", "contracts", "orders", "billing", "procrastinate")
MANAGE_STAFF = "accounts.manage_staff"
SEE_AS = "accounts.see_as"
EXPORT_LISTS = "portal.export_lists"
VIEWER, RECEPTION, BILLING, MANAGEMENT = "閲覧", "受付", "請求", "管理"


def writing(app, *models):
    """The permissions to add, change and delete rows of these models, or of all models of the app."""
    found = Q(content_type__app_label=app) & ~Q(codename__startswith="view_")
    return found & Q(content_type__model__in=models) if models else found


SEEING = Q(content_type__app_label__in=APPS, codename__startswith="view_")
LOOKING_ON = Q(content_type__app_label="accounts", codename="see_as")
TAKING_AWAY = Q(content_type__app_label="portal", codename="export_lists")
CATALOGUE = Q(content_type__app_label="contracts", content_type__model="service")
# What each role may do. Models that join an app of 請求 later are its own by themselves.
ROLES = {
    VIEWER: SEEING,
    RECEPTION: SEEING
    | TAKING_AWAY
    | writing("accounts", "customer")
    | Q(content_type__app_label="accounts", codename__in=["add_user", "change_user", "delete_user"])
    | writing("portal", "inquiry", "notice", "faqentry", "mail"),
    BILLING: SEEING
    | TAKING_AWAY
    | LOOKING_ON
    | ((writing("contracts") | writing("orders") | writing("billing")) & ~CATALOGUE),
    MANAGEMENT: SEEING
    | TAKING_AWAY
    | LOOKING_ON
    | writing("portal", "vendor", "vendorregistration", "taxclass", "calendarday")
    | (writing("contracts") & CATALOGUE)
    | Q(content_type__app_label="accounts", codename="manage_staff"),
}


def set_up_roles():
    """Make the groups that are missing, and give each exactly its rights; permissions of new models join here."""
    for name, rights in ROLES.items():
        group, _made = Group.objects.get_or_create(name=name)
        group.permissions.set(Permission.objects.filter(rights))


def may(by, right):
    """Whether somebody has a right; `by` None is the portal itself, which may do everything. No customer has any."""
    return by is None or (by.customer_id is None and by.has_perm(right))


def need(by, right):
    """Raises PermissionDenied unless `by` has the right."""
    if not may(by, right):
        refuse()


def refuse():
    """Raises PermissionDenied with the words for the person."""
    raise PermissionDenied(_("この操作を行う権限がありません。"))


def may_manage(by, person):
    """Whether `by` may change this member of the staff: who manages staff may, except that superusers are superusers' business."""
    return by is None or by.is_superuser or (may(by, MANAGE_STAFF) and not person.is_superuser)


def need_over(person, *, by, right="accounts.change_user"):
    """Raises PermissionDenied unless `by` may do this to the user: a colleague, staff with the right, the portal (None)."""
    if by is not None and by.customer_id:
        allowed = by.customer_id == person.customer_id
    elif person.customer_id:
        allowed = may(by, right)
    else:
        allowed = may_manage(by, person)
    if not allowed:
        refuse()


def roles_to_give(by):
    """The roles that `by` may give to others (D37): all, whoever manages staff; nobody's own ones change by oneself."""
    return list(ROLES) if may(by, MANAGE_STAFF) else []
