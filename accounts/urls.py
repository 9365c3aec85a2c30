"""Addresses of sign-in, password, account and user pages, of staff's way to a customer's pages, and where they say again who they are."""

from django.contrib import admin
from django.urls import path

from accounts import desk, views

urlpatterns = [
    path("login/", views.login, name="login"),
    path("login/code/", views.second_step, name="second_step"),
    path("logout/", views.logout, name="logout"),
    path("language/", views.language, name="language"),
    path("password/change/", views.password_change, name="password_change"),
    path("password/reset/", views.password_reset, name="password_reset"),
    path("password/reset/<str:uid>/<str:token>/", views.password_reset_confirm, name="password_reset_confirm"),
    path("account/", views.account, name="account"),
    path("account/change/", views.account_change, name="account_change"),
    path("account/users/", views.user_list, name="user_list"),
    path("account/users/new/", views.user_create, name="user_create"),
    path("account/users/<int:pk>/", views.user_detail, name="user_detail"),
    path("account/users/<int:pk>/edit/", views.user_edit, name="user_edit"),
    path("account/users/<int:pk>/delete/", views.user_delete, name="user_delete"),
    path("account/users/<int:pk>/send/", views.user_send, name="user_send"),
    path("account/history/", views.history_list, name="history_list"),
    path("account/security/", views.security, name="security"),
    path("account/security/sessions/", views.other_sessions_end, name="other_sessions_end"),
    path("account/security/factor/", views.second_factor, name="second_factor"),
    path("account/security/factor/off/", views.second_factor_off, name="second_factor_off"),
    path("admin/confirm/", admin.site.admin_view(desk.confirm_person), name="admin_confirm"),
    path("admin/see-as/end/", admin.site.admin_view(desk.see_as_end), name="admin_see_as_end"),
    path("admin/see-as/<str:number>/", admin.site.admin_view(desk.see_as), name="admin_see_as"),
]
