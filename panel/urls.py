"""All addresses. Each app names its own; this file only hangs them up."""

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.urls import include, path

from customers.back_office import close_others, opens
from customers.views.wallet import wallet
from orders.wallet_month import month_sums
from panel import health, pages

# The back office has no sign-in of its own: its form would skip the second step.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]
close_others()
admin.site.has_permission = opens  # type: ignore[method-assign]

handler500 = "panel.failing.failed"

urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("metrics", health.metrics, name="metrics"),
    path("admin/", admin.site.urls),
    path("account/", include("allauth.urls")),
    path("acceptable-use", pages.acceptable_use, name="acceptable_use"),
    path("terms", pages.terms, name="terms"),
    path("theme", pages.theme, name="theme"),
    path("language", pages.language, name="language"),
    path("brand.css", pages.brand_css, name="brand_css"),
    path("brand-logo", pages.brand_logo, name="brand_logo"),
    path("help/", pages.help_page, name="help"),
    path("find", pages.find, name="find"),
    # the room of wallets knows no orders, of which the sums of its month are kept
    path("wallet/", wallet, {"month_sums": month_sums}, name="wallet"),
    path("", include("orders.api.urls")),
    path("staff/", include("orders.staff_urls")),
    path("staff/", include("customers.staff_urls")),
]
for app in ("customers", "providers", "orders"):
    urlpatterns += [path("manage/", include(f"{app}.manage_urls")), path("", include(f"{app}.urls"))]
