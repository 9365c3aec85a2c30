"""Every address of the portal."""

from django.contrib import admin
from django.contrib.auth.decorators import login_not_required
from django.urls import include, path
from django.views.generic import RedirectView

from portal import views

handler400 = views.bad_request
handler403 = views.forbidden
handler404 = views.not_found
handler500 = views.server_error
to_login = login_not_required(RedirectView.as_view(pattern_name="login", query_string=True))

urlpatterns = [
    path("", views.home, name="home"),
    path("faq/", views.faq, name="faq"),
    path("inquiry/", views.inquiry, name="inquiry"),
    path("inquiry/<str:number>/", views.inquiry_detail, name="inquiry_detail"),
    path("healthz", views.healthz, name="healthz"),
    path("readyz", views.readyz, name="readyz"),
    path("metrics", views.metrics, name="metrics"),
    path("", include("accounts.urls")),
    path("", include("contracts.urls")),
    path("", include("orders.urls")),
    path("", include("billing.urls")),
    # The admin's own sign-in and password pages would go round the throttle and the second factor.
    path("admin/login/", to_login, name="admin_login"),
    path("admin/password_change/", RedirectView.as_view(pattern_name="password_change"), name="admin_password"),
    path("admin/", admin.site.urls),
]
