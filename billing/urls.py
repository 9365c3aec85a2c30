"""Addresses of the invoice pages, and of those of staff's that no admin has: books, 点検, search, files."""

from django.contrib import admin
from django.urls import path

from billing import views
from billing.books import desk as books
from billing.checking import check_page
from billing.search import search_page
from billing.uploads import desk

urlpatterns = [
    path("invoices/", views.invoice_list, name="invoice_list"),
    path("invoices/analysis/", views.costs_page, name="costs"),
    path("invoices/archive/", views.invoice_archive, name="invoice_archive"),
    path("invoices/<str:number>/", views.invoice_detail, name="invoice_detail"),
    path("invoices/<str:number>/review/", views.invoice_review, name="invoice_review"),
    path("invoices/<str:number>/pdf/", views.invoice_pdf, name="invoice_pdf"),
    path("invoices/<str:number>/xml/", views.invoice_xml, name="invoice_xml"),
    path("admin/books/", admin.site.admin_view(books.books), name="admin_books"),
    path("admin/books/archive/", admin.site.admin_view(books.books_archive), name="admin_books_archive"),
    path("admin/books/csv/", admin.site.admin_view(books.books_csv), name="admin_books_csv"),
    path("admin/check/<str:month>/", admin.site.admin_view(check_page), name="admin_check"),
    path("admin/search/", admin.site.admin_view(search_page), name="admin_search"),
    path("admin/import/<str:kind>/", desk.import_page, name="admin_import"),
    path("admin/import/<str:kind>/template.csv", desk.template_file, name="admin_import_template"),
    path("admin/import/<str:kind>/export.csv", desk.export_file, name="admin_import_export"),
    path("admin/import/<str:kind>/<int:upload>/", desk.upload_page, name="admin_upload"),
    path("admin/import/<str:kind>/<int:upload>/errors.csv", desk.errors_file, name="admin_upload_errors"),
]
