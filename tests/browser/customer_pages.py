"""Every page that a customer or a stranger can be shown: the address, who looks, and how it has to answer.

`tests/panel/test_every_page_is_looked_at.py` keeps the list complete; `test_accessibility.py` looks at each.
`path` is filled with what `Scenario` has made.
"""

from dataclasses import dataclass

ALICE, MIA, HALFWAY, NOBODY = "alice", "mia", "halfway", ""


@dataclass(frozen=True)
class Visit:
    """`pattern`: as in tests/panel/access_matrix.txt. `lands`: where the page is shown, if not at `path`.

    `who`: Alice (signed in by password just now), Mia (with a second step), halfway (Mia's password, not yet her
    code), or nobody.
    """

    pattern: str
    path: str = ""
    who: str = ALICE
    status: int = 200
    lands: str = ""

    @property
    def address(self) -> str:
        return self.path or self.pattern


VISITS = (
    # those that ask for a fresh password come first
    Visit("/account/2fa/", who=MIA),
    Visit("/account/2fa/recovery-codes/", who=MIA),
    Visit("/account/2fa/recovery-codes/generate/", who=MIA),
    Visit("/account/2fa/totp/deactivate/", who=MIA),
    Visit("/account/2fa/reauthenticate/", who=MIA),
    Visit("/account/2fa/totp/activate/"),
    Visit("/"),
    Visit("/orders/new"),
    Visit("/orders/new", "/orders/new?service={shop}"),
    Visit("/orders/new", "/orders/new?service={comments}"),
    Visit("/orders/"),
    Visit("/orders/", "/orders/?q=nothing-like-it"),
    Visit("/orders/<order_id>", "/orders/{partial}"),
    Visit("/orders/<order_id>", "/orders/{pending}"),
    Visit("/orders/<order_id>", "/orders/{reviewed}"),
    Visit("/orders/<order_id>/refill", "/orders/{ended}/refill"),
    Visit("/orders/<order_id>/cancel", "/orders/{pending}/cancel"),
    Visit("/orders/mass"),
    Visit("/orders/mass/<token>", "/orders/mass/{token}"),
    Visit("/services/"),
    Visit("/services/", "/services/?changed=1"),
    Visit("/services/<service_id>/report", "/services/{shop}/report"),
    Visit("/wallet/"),
    Visit("/api"),
    Visit("/api/keys/new"),
    Visit("/api/keys/<key_id>", "/api/keys/{key}"),
    Visit("/account/"),
    Visit("/account/email/"),
    Visit("/account/password/change/"),
    Visit("/account/2fa/"),
    Visit("/account/reauthenticate/"),
    Visit("/account/sessions/"),
    Visit("/account/notices"),
    Visit("/account/data"),
    Visit("/account/terms"),
    Visit("/account/logout/"),
    Visit("/help/"),
    Visit("", "/no-such-page", status=404),
    Visit("/account/2fa/authenticate/", who=HALFWAY),
    Visit("/account/login/", who=NOBODY),
    Visit("/account/signup/", who=NOBODY),
    Visit("/account/inactive/", who=NOBODY),
    Visit("/account/confirm-email/", who=NOBODY),
    Visit("/account/confirm-email/<key>/", "/account/confirm-email/{confirmation}/", who=NOBODY),
    Visit("/account/confirm-email/<key>/", "/account/confirm-email/too-old/", who=NOBODY),
    Visit("/account/password/reset/", who=NOBODY),
    Visit("/account/password/reset/done/", who=NOBODY),
    Visit(
        "/account/password/reset/key/<uidb36>-<key>/",
        "/account/password/reset/key/{reset}/",
        who=NOBODY,
        lands="/account/password/reset/key/{uid}-set-password/",
    ),
    Visit(
        "/account/password/reset/key/<uidb36>-<key>/",
        "/account/password/reset/key/{uid}-too-old/",
        who=NOBODY,
    ),
    Visit("/account/password/reset/key/done/", who=NOBODY),
    Visit("/acceptable-use", who=NOBODY),
    Visit("/terms", who=NOBODY),
    Visit("", "/account/no-such-page", who=NOBODY, status=404),
)

# Addresses that the walk cannot see through: they lead on, or there is nothing where the walk asks.
NO_PAGE = {
    "/account/2fa/recovery-codes/download/": "a text file, where there are codes",
    "/account/login/code/confirm/": "signing in by a mailed code is not offered: it leads to the sign-in",
    "/account/password/set/": "every account has a password: it leads to changing it",
    "/brand-logo": "a picture, where an admin set one",
    "/find": "leads to the list that knows",
    "/orders/mass/<token>.csv": "a file, where there is a mass order",
}
