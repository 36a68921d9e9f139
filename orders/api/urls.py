"""Addresses of the API, its description and its page."""

from django.urls import path

from orders.api import endpoint, openapi

urlpatterns = [
    path("api/v2", endpoint.endpoint, name="api"),
    path("api/v2/", endpoint.endpoint),
    path("api/v2/openapi.json", openapi.openapi, name="api_openapi"),
]
