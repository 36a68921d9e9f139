"""Addresses of the admins' pages about people and money, under /manage/."""

from django.urls import path

from customers.manage_views import audit_log, money, reversing, site, team

urlpatterns = [
    path("money", money.payments, name="manage_money"),
    path("money/<int:pk>/decide", money.payment_decide, name="manage_payment_decide"),
    path("money/<int:pk>/reverse", reversing.payment_reverse, name="manage_payment_reverse"),
    path("money/ledger", money.ledger, name="manage_ledger"),
    path("team", team.team, name="manage_team"),
    path("team/<int:pk>", team.member, name="manage_member"),
    path("settings", site.settings_page, name="manage_settings"),
    path("audit", audit_log.audit_log, name="manage_audit"),
]
