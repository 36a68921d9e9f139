"""Addresses of a person's own money and account; the wallet's page itself is in panel/urls.py."""

from django.urls import path

from customers.views import account, wallet

urlpatterns = [
    path("account/", account.profile, name="account_profile"),
    path("account/notices", account.notices, name="account_notices"),
    path("account/data", account.own_data, name="account_data"),
    path("account/data/deletion", account.deletion, name="account_deletion"),
    path("account/sessions/<int:session_id>/end", account.end_session, name="account_end_session"),
    path("account/terms", account.accept_terms, name="accept_terms"),
    path("wallet/statement.csv", wallet.statement_csv, name="statement_csv"),
]
