"""Staff pages about orders, under /staff/."""

from django.urls import path

from orders.staff import acting, bulk, cases, orders, personal_data, review

urlpatterns = [
    path("review", review.queue, name="staff_review"),
    path("review/rows", review.rows, name="staff_review_rows"),
    path("review/decide", review.decide, name="staff_review_decide"),
    path("review/undo", review.undo, name="staff_review_undo"),
    path("review/<int:request_id>", review.one, name="staff_review_one"),
    path("review/<int:request_id>/note", review.note, name="staff_review_note"),
    path("review/<int:request_id>/settle", review.settle, name="staff_review_settle"),
    path("unknown", cases.cases, name="staff_unknown"),
    path("unknown/<int:order_id>", cases.case, name="staff_unknown_case"),
    path("unknown/<int:order_id>/decide", cases.decide, name="staff_unknown_decide"),
    path("orders", orders.listing, name="staff_orders"),
    path("orders/act", bulk.act_on_many, name="staff_orders_act"),
    path("orders/results", bulk.results, name="staff_orders_results"),
    path("orders/of/<int:customer_id>", orders.of_customer, name="staff_orders_of"),
    path("orders/<int:order_id>", orders.one, name="staff_order"),
    path("orders/<int:order_id>/note", orders.note, name="staff_order_note"),
    path("orders/<int:order_id>/act", acting.act, name="staff_order_act"),
    path("orders/<int:order_id>/ask", orders.ask, name="staff_order_ask"),
    path("orders/<int:order_id>/settle", orders.settle, name="staff_order_settle"),
    path("customers/<int:customer_id>/data", personal_data.export, name="staff_customer_data"),
    path("customers/<int:customer_id>/erase", personal_data.erase, name="staff_customer_erase"),
]
