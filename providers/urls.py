"""Addresses of what is for sale."""

from django.urls import path

from providers import views

urlpatterns = [
    path("services/", views.services, name="services"),
    path("services/prices.csv", views.price_list, name="price_list"),
    path("services/<int:service_id>/favorite", views.favorite, name="favorite"),
    path("services/<int:service_id>/report", views.report, name="report_service"),
]
