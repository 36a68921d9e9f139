"""Addresses of a person's own money and account."""

from django.urls import path

from customers.views import wallet

urlpatterns = [
    path("wallet/", wallet.wallet, name="wallet"),
    path("wallet/statement.csv", wallet.statement_csv, name="statement_csv"),
]
