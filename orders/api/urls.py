"""Addresses of the API, its description and its page."""

from django.urls import path

from orders.api import endpoint, openapi, pages

urlpatterns = [
    path("api/v2", endpoint.endpoint, name="api"),
    path("api/v2/", endpoint.endpoint),
    path("api/v2/openapi.json", openapi.openapi, name="api_openapi"),
    path("api", pages.page, name="api_page"),
    path("api/keys/new", pages.new_key, name="api_key_new"),
    path("api/keys/<int:key_id>", pages.key, name="api_key"),
    path("api/keys/<int:key_id>/rotate", pages.rotate, name="api_key_rotate"),
    path("api/keys/<int:key_id>/revoke", pages.revoke, name="api_key_revoke"),
]
