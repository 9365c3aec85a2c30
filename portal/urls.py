"""Every address of the portal."""

from django.contrib import admin
from django.urls import include, path

from portal import views

urlpatterns = [
    path("", views.home, name="home"),
    path("faq/", views.faq, name="faq"),
    path("inquiry/", views.inquiry, name="inquiry"),
    path("healthz", views.healthz, name="healthz"),
    path("", include("accounts.urls")),
    path("", include("contracts.urls")),
    path("", include("orders.urls")),
    path("", include("billing.urls")),
    path("admin/", admin.site.urls),
]
