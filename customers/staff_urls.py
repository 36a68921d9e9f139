"""Staff pages about customers, under /staff/."""

from django.urls import path

from customers import staff_pages, viewing_pages

urlpatterns = [
    path("customers", staff_pages.listing, name="staff_customers"),
    path("customers/new", staff_pages.new, name="staff_customer_new"),
    path("customers/<int:customer_id>", staff_pages.one, name="staff_customer"),
    path("customers/<int:customer_id>/note", staff_pages.note, name="staff_customer_note"),
    path("customers/<int:customer_id>/suspend", staff_pages.suspending, name="staff_customer_suspend"),
    path("customers/<int:customer_id>/adjust", staff_pages.adjust, name="staff_customer_adjust"),
    path("customers/<int:customer_id>/view", viewing_pages.begin, name="viewing_begin"),
    path("viewing/end", viewing_pages.end, name="viewing_end"),
]
