"""Staff's desk for what belongs to no app: vendor, tax classes, calendar, FAQ, inquiries, mails, history."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from billing.services import follow_up
from portal import mail
from portal.models import CalendarDay, FaqEntry, HistoryEvent, Inquiry, Mail, TaxClass, Vendor, VendorRegistration

admin.site.site_header = admin.site.site_title = _("契約マイポータル 担当者")


class ReadOnly(admin.ModelAdmin):
    """Rows that staff read and the programs write."""

    def has_add_permission(self, request):
        return False

    def has_change_permission(self, request, obj=None):
        return False

    def has_delete_permission(self, request, obj=None):
        return False


@admin.register(Vendor)
class VendorAdmin(admin.ModelAdmin):
    def has_add_permission(self, request):
        return not Vendor.objects.exists()

    def has_delete_permission(self, request, obj=None):
        return False

    def save_model(self, request, obj, form, change):
        obj.pk = 1
        super().save_model(request, obj, form, change)
        follow_up()


@admin.register(VendorRegistration)
class VendorRegistrationAdmin(admin.ModelAdmin):
    list_display = ["number", "valid_from", "valid_to"]


@admin.register(TaxClass)
class TaxClassAdmin(admin.ModelAdmin):
    list_display = ["kind", "rate", "valid_from", "valid_to"]
    list_filter = ["kind"]

    def save_model(self, request, obj, form, change):
        super().save_model(request, obj, form, change)
        follow_up()


@admin.register(CalendarDay)
class CalendarDayAdmin(admin.ModelAdmin):
    list_display = ["day", "working", "note"]


@admin.register(FaqEntry)
class FaqEntryAdmin(admin.ModelAdmin):
    list_display = ["question", "position", "published"]
    list_editable = ["position", "published"]


@admin.register(Inquiry)
class InquiryAdmin(admin.ModelAdmin):
    list_display = ["created_at", "customer", "kind", "subject", "about", "handled_at"]
    list_filter = ["kind", ("handled_at", admin.EmptyFieldListFilter)]
    list_select_related = ["customer"]
    search_fields = ["subject", "customer__number", "customer__name"]
    readonly_fields = ["customer", "user", "kind", "subject", "body", "about", "created_at"]

    def has_add_permission(self, request):
        return False


@admin.register(Mail)
class MailAdmin(ReadOnly):
    list_display = ["created_at", "kind", "customer", "state", "sent_to", "tries", "error"]
    list_filter = ["state", "kind"]
    list_select_related = ["customer"]
    search_fields = ["key", "customer__number", "sent_to"]
    actions = ["send_again"]

    @admin.action(description=_("もう一度送る"))
    def send_again(self, request, mails):
        for each in mails:
            mail.send_again(each)
        self.message_user(request, _("%(count)d件を送信待ちにしました。") % {"count": len(mails)})


@admin.register(HistoryEvent)
class HistoryAdmin(ReadOnly):
    list_display = ["at", "customer", "actor_name", "action", "subject"]
    list_filter = ["action"]
    list_select_related = ["customer"]
    search_fields = ["subject", "actor_name", "customer__number"]
