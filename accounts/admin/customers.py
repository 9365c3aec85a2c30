"""Staff's desk for companies: their list, the file of each, and the form of its 基本情報."""

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _

from accounts import services
from accounts.forms import CustomerForm
from accounts.models import Customer
from billing.customer_file import file_of
from billing.services import defer_catch_up
from portal import rights
from portal.desk import Desk
from portal.models import Inquiry


@admin.register(Customer)
class CustomerAdmin(Desk):
    form = CustomerForm
    imports = "customers"
    instead = _("取引が終わったお客様は、契約に解約日を入力し、ユーザを無効にしてください。")
    list_display = ["number", "name", "payment_method", "since"]
    search_fields = ["number", "name", "kana"]
    readonly_fields = ["number", "updated_at"]

    def change_view(self, request, object_id, form_url="", extra_context=None):
        """The customer's file; its form where it is asked for, and where a save was refused."""
        if request.method in ("GET", "HEAD") and "form" not in request.GET:
            return self.file_view(request, object_id)
        return super().change_view(request, object_id, form_url, extra_context)

    def file_view(self, request, object_id):
        """Everything that belongs to the company, and what can be done about it."""
        customer = self.get_object(request, unquote(object_id))
        if customer is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        if not self.has_view_or_change_permission(request, customer):
            raise PermissionDenied
        may = {
            "may_change": self.has_change_permission(request, customer),
            "may_add_contract": rights.may(request.user, "contracts.add_contract"),
            "may_add_user": rights.may(request.user, "accounts.add_user"),
            "may_add_inquiry": self.admin_site.get_model_admin(Inquiry).has_add_permission(request),
            "may_change_user": rights.may(request.user, "accounts.change_user"),
        }
        given = {"title": customer.name, "opts": self.opts, "original": customer, "customer": customer}
        page = {**self.admin_site.each_context(request), **given, **may, **file_of(customer, request)}
        return TemplateResponse(request, "admin/accounts/customer/file.html", page)

    def save_model(self, request, obj, form, change):
        services.save_customer(obj, by=request.user)
        defer_catch_up(obj)

    def response_post_save_add(self, request, obj):
        return redirect("admin:accounts_customer_change", obj.pk)

    def response_post_save_change(self, request, obj):
        return redirect("admin:accounts_customer_change", obj.pk)

    def get_actions(self, request):
        """One at a time: each is looked at on its own page before it goes."""
        return {name: action for name, action in super().get_actions(request).items() if name != "delete_selected"}

    def delete_model(self, request, obj):
        services.delete_customer(obj, by=request.user)
