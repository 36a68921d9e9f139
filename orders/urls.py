"""Addresses of ordering and following orders."""

from django.urls import path

from orders.views import asking, home, listing, mass, ordering, own_data, showing

urlpatterns = [
    path("", home.home, name="home"),
    path("orders/latest", home.latest_orders, name="latest_orders"),
    path("orders/", listing.orders, name="orders"),
    path("orders/rows", listing.order_rows, name="order_rows"),
    path("orders/export.csv", listing.export, name="orders_export"),
    path("orders/bulk", listing.bulk, name="orders_bulk"),
    path("orders/columns", listing.choose_columns, name="orders_columns"),
    path("orders/new", ordering.new_order, name="new_order"),
    path("orders/new/details", ordering.details, name="new_order_details"),
    path("account/data.json", own_data.own_data, name="own_data"),
    path("orders/mass", mass.mass_order, name="mass_order"),
    path("orders/mass/<uuid:token>", mass.result, name="mass_result"),
    path("orders/mass/<uuid:token>/progress", mass.progress, name="mass_progress"),
    path("orders/mass/<uuid:token>.csv", mass.result_csv, name="mass_result_csv"),
    path("orders/quote", ordering.quote, name="order_quote"),
    path("orders/services", ordering.services, name="order_services"),
    path("orders/<int:order_id>", showing.order, name="order"),
    path("orders/<int:order_id>/live", showing.live, name="order_live"),
    path("orders/<int:order_id>/refill", asking.refill, name="order_refill"),
    path("orders/<int:order_id>/cancel", asking.cancel, name="order_cancel"),
]
