"""Addresses of the contract pages."""

from django.urls import path

from contracts import views

urlpatterns = [
    path("contracts/", views.contract_list, name="contract_list"),
    path("contracts/<str:number>/", views.contract_detail, name="contract_detail"),
]
