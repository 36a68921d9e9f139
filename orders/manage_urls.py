"""Addresses of the admins' pages about the business, under /manage/."""

from django.urls import path

from orders.manage_views import dashboard, reports, switches

urlpatterns = [
    path("", dashboard.dashboard, name="manage_dashboard"),
    path("attention", dashboard.attention, name="manage_attention"),
    path("reports", reports.report, name="manage_reports"),
    path("reports.csv", reports.report_csv, name="manage_report_csv"),
    path("dispatch/pause", switches.dispatch_pause, name="manage_dispatch_pause"),
    path("dispatch/resume", switches.dispatch_resume, name="manage_dispatch_resume"),
    path("money/check", switches.ledger_check, name="manage_ledger_check"),
]
