"""Addresses of the invoice pages."""

from django.urls import path

from billing import views

urlpatterns = [
    path("invoices/", views.invoice_list, name="invoice_list"),
    path("invoices/analysis/", views.costs_page, name="costs"),
    path("invoices/archive/", views.invoice_archive, name="invoice_archive"),
    path("invoices/<str:number>/", views.invoice_detail, name="invoice_detail"),
    path("invoices/<str:number>/review/", views.invoice_review, name="invoice_review"),
    path("invoices/<str:number>/pdf/", views.invoice_pdf, name="invoice_pdf"),
    path("invoices/<str:number>/xml/", views.invoice_xml, name="invoice_xml"),
]
