"""Staff's desk for companies."""

from django import forms
from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from accounts import services
from accounts.models import Customer
from billing.services import defer_catch_up
from portal import reading
from portal.desk import Desk
from portal.forms import CorporateNumberField, OfficialNumberField, PostalCodeField


class CustomerForm(forms.ModelForm):
    """A company; its reading and its numbers are kept in the form in which customers see their own."""

    class Meta:
        field_classes = {
            "postal_code": PostalCodeField,
            "billing_postal_code": PostalCodeField,
            "corporate_number": CorporateNumberField,
            "registration_number": OfficialNumberField,
        }

    def clean_kana(self):
        return reading.kana(self.cleaned_data["kana"])

    def clean_phone(self):
        return reading.phone(self.cleaned_data["phone"])

    def clean_fax(self):
        return reading.phone(self.cleaned_data["fax"])

    def clean(self):
        """Documents print the 請求先's address with its own 〒, or else the company's with the company's."""
        data = super().clean()
        if data.get("billing_postal_code") and not data.get("billing_address", ""):
            self.add_error("billing_address", _("請求先郵便番号の住所を入力してください。"))
        return data


@admin.register(Customer)
class CustomerAdmin(Desk):
    form = CustomerForm
    imports = "customers"
    list_display = ["number", "name", "payment_method", "since"]
    search_fields = ["number", "name", "kana"]
    readonly_fields = ["number", "updated_at"]

    def save_model(self, request, obj, form, change):
        services.save_customer(obj, by=request.user)
        defer_catch_up(obj)

    def has_delete_permission(self, request, obj=None):
        return False
