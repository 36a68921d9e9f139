"""Addresses of the admins' pages about the supply, under /manage/."""

from django.urls import path

from providers.manage_views import alerts, changes, markup, provider_list, provider_page, rates, services

urlpatterns = [
    path("providers", provider_list.provider_list, name="manage_providers"),
    path("providers/add", provider_list.provider_add, name="manage_provider_add"),
    path("providers/test", provider_list.provider_try, name="manage_provider_try"),
    path("providers/sync", provider_list.sync_all, name="manage_sync_all"),
    path("providers/<int:pk>", provider_page.provider_page, name="manage_provider"),
    path("providers/<int:pk>/reading", provider_page.sync_state, name="manage_provider_reading"),
    path("providers/<int:pk>/sync", provider_page.sync_now, name="manage_provider_sync"),
    path("providers/<int:pk>/balance", provider_page.balance_now, name="manage_provider_balance"),
    path("providers/<int:pk>/test", provider_page.connection_test, name="manage_provider_test"),
    path("providers/<int:pk>/connection", provider_page.connection, name="manage_provider_connection"),
    path("providers/<int:pk>/pause", provider_page.pause, name="manage_provider_pause"),
    path("providers/<int:pk>/resume", provider_page.resume, name="manage_provider_resume"),
    path("providers/<int:pk>/archive", provider_page.archive, name="manage_provider_archive"),
    path("providers/<int:pk>/bring-back", provider_page.bring_back, name="manage_provider_bring_back"),
    path("providers/<int:pk>/undo", provider_page.undo, name="manage_provider_undo"),
    path("providers/<int:pk>/offers", services.offers, name="manage_offers"),
    path("catalog", changes.catalog, name="manage_catalog"),
    path("catalog/decide", changes.decide, name="manage_catalog_decide"),
    path("services", services.service_list, name="manage_services"),
    path("services/act", services.services_act, name="manage_services_act"),
    path("services/<int:pk>", services.service_edit, name="manage_service"),
    path("services/<int:pk>/publish", services.service_publish, name="manage_service_publish"),
    path("services/<int:pk>/routes", services.service_route, name="manage_service_route"),
    path("markup", markup.rule_list, name="manage_markup"),
    path("markup/add", markup.rule_add, name="manage_rule_add"),
    path("markup/preview", markup.rule_preview, name="manage_rule_preview"),
    path("markup/<int:pk>", markup.rule_edit, name="manage_rule"),
    path("markup/<int:pk>/delete", markup.rule_delete, name="manage_rule_delete"),
    path("rates", rates.rates, name="manage_rates"),
    path("alerts", alerts.alerts, name="manage_alerts"),
    path("alerts/<int:pk>/close", alerts.alert_close, name="manage_alert_close"),
]
