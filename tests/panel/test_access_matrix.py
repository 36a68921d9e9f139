"""Who may open what: every address of the project, as every role, against a golden table; and no customer sees
what belongs to another.

A new page without a line in access_matrix.txt fails here. The message holds the line to add: check that it is what
should be, not only what is.
"""

import uuid
from collections.abc import Mapping
from decimal import Decimal

import pytest
from allauth.usersessions.models import UserSession
from django.test import Client

from customers.api_keys import create_api_key
from customers.enrolling import create_staff
from customers.models import DepositRequest, PriceGroup, User
from orders.models import Order, Request, Submission
from panel.reader import OPEN_TO_STAFF
from providers.models import (
    Alert,
    BalanceReading,
    CatalogChange,
    Denial,
    MarkupRule,
    Offer,
    Provider,
    Service,
)
from tests import staff_world, world
from tests.panel.access_matrix import ROLES, TABLE, Address, expected_of, matches, read_table, walk

pytestmark = pytest.mark.django_db

# Arguments that name something of one customer's: the crawler asks for them as another.
OWNED = {"order_id", "request_id", "key_id", "deposit_id", "customer_id", "session_id"}


class Stage:
    """Alice with an object of every kind, and a client for every role."""

    def __init__(self) -> None:
        self.alice = world.customer(name="Alice Ames")
        self.bob = world.bob()
        self.reviewer, self.admin = world.reviewer(), world.admin()
        self.superuser = create_staff("sue@example.org", world.PASSWORD, "superuser")
        provider = world.provider()
        offer = world.offer(provider)
        service = world.service(offer)
        self.order = staff_world.accepted(
            world.order(self.alice, service, "https://example.org/alices-secret"), remains=500
        )
        request = staff_world.cancel_asked(self.order, reason="alices-reason")
        rule = MarkupRule.objects.create(scope="everything", percent=25)
        change = CatalogChange.objects.create(provider=provider, external_id="9", kind="new")
        deposit = DepositRequest.objects.create(
            user=self.alice, method="bank", amount=5, reference="alices-transfer"
        )
        self.samples: dict[str, object] = {
            "order_id": self.order.pk,
            "request_id": request.pk,
            "key_id": _key_of(self.alice),
            "session_id": UserSession.objects.create(
                user=self.alice, ip="203.0.113.7", session_key="alices-session", user_agent="alices-browser"
            ).pk,
            "deposit_id": deposit.pk,
            "customer_id": self.alice.pk,
            "user_id": self.reviewer.pk,
            "person_id": self.reviewer.pk,
            "staff_id": self.reviewer.pk,
            "provider_id": provider.pk,
            "offer_id": offer.pk,
            "service_id": service.pk,
            "category_id": service.category_id,
            "rule_id": rule.pk,
            "change_id": change.pk,
            "top_up_id": 1,
            "route_id": service.routes.get().pk,
            "revision": uuid.UUID(int=7),
            "alert_id": 1,
            "entry_id": 1,
            "group_id": 1,
            "key": "no-such-key",
            "uidb36": "1",
            "provider": "none",
            "url": "nothing/here",
            "app_label": "customers",
            "content_type_id": 1,
            "object_id": 1,
            "code": "no-such-code",
            "token": uuid.UUID(int=9),
        }
        group = PriceGroup.objects.create(name="Agencies")
        denial = Denial.objects.create(kind=Denial.Kind.WORD, text="canary", reason="Not sold here")
        alert = Alert.objects.create(key="canary", text="Something", provider=provider)
        # Where a pattern says only <pk>, its folder says of what.
        self.samples_under: dict[str, dict[str, object]] = {
            "/manage/alerts/": {"pk": alert.pk},
            "/manage/markup/": {"pk": rule.pk},
            "/manage/money/": {"pk": deposit.pk},
            "/manage/providers/": {"pk": provider.pk},
            "/manage/prices/": {"pk": group.pk},
            "/manage/deny-list/": {"pk": denial.pk},
            "/manage/services/": {"pk": service.pk},
            "/manage/team/": {"pk": self.reviewer.pk},
        }
        self.clients = {
            "anonymous": Client(raise_request_exception=False),
            "customer": _browser(self.alice),
            "reviewer": _browser(self.reviewer),
            "admin": _browser(self.admin),
            "superuser": _browser(self.superuser),
        }

    def path_of(self, address: Address) -> str:
        for folder, more in self.samples_under.items():
            if address.path.startswith(folder):
                return address.filled(self.samples | more)
        return address.filled(self.samples)


def _browser(user: User) -> Client:
    """A page that fails is a 500 with its address in the message, not the end of the walk."""
    client = staff_world.signed_in(user)
    client.raise_request_exception = False
    return client


def _key_of(user: User) -> int:
    create_api_key(user, label="alices-key")
    return int(user.api_keys.latest("pk").pk)


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_every_address_answers_every_role_as_the_table_says(stage: Stage) -> None:
    table, wrong = read_table(), []
    for address in walk():
        path = stage.path_of(address)
        seen = {role: _get(stage, role, path) for role in ROLES}
        expected = expected_of(address.path, table)
        if expected is None:
            wrong.append(
                f"no line for {address.path}. If this is what it should answer, add to {TABLE.name}:\n"
                f"    {_line(address.path, seen)}"
            )
        elif not all(matches(seen[role], expected[role]) for role in ROLES):
            wrong.append(
                f"{address.path}: expected {' '.join(expected.values())}, but\n    {_line(address.path, seen)}"
            )
    assert not wrong, f"{len(wrong)} addresses are not as the table says:\n\n" + "\n".join(wrong)


def test_what_may_not_be_opened_may_not_be_posted_to(stage: Stage) -> None:
    """A view that checks the role only on GET would pass the table."""
    table, wrong = read_table(), []
    for address in walk():
        expected = expected_of(address.path, table)
        for role in ROLES if expected else ():
            status = expected[role] if expected else ""
            if status == "403" or (status == "302" and role == "anonymous"):
                answer = stage.clients[role].post(stage.path_of(address)).status_code
                if answer != int(status):
                    wrong.append(f"POST {address.path} as {role}: {answer}, not {status}")
    assert not wrong, "\n".join(wrong)
    stage.order.refresh_from_db()
    assert stage.order.status == "In progress"


def test_every_line_of_the_table_is_an_address() -> None:
    paths = [address.path for address in walk()]
    stale = [
        line
        for line in read_table()
        if not (line in paths or (line.endswith("*") and any(path.startswith(line[:-1]) for path in paths)))
    ]
    assert not stale, f"These lines of {TABLE.name} name no address any more: {', '.join(stale)}"


def test_another_customers_objects_do_not_exist(stage: Stage) -> None:
    """Bob asks for everything of Alice's, reading and posting: it looks as if it were not there."""
    bob, table, tried, leaks = _browser(stage.bob), read_table(), 0, []
    for address in walk():
        expected = expected_of(address.path, table)
        if not OWNED.intersection(address.arguments) or expected is None or expected["customer"] == "403":
            continue
        path = stage.path_of(address)
        for method in (bob.get, bob.post):
            tried += 1
            answer = method(path)
            if answer.status_code not in {404, 405} or "alices-" in answer.content.decode():
                leaks.append(f"{method.__name__.upper()} {address.path}: {answer.status_code}")
    assert not leaks, "\n".join(leaks)
    assert tried >= 8
    stage.order.refresh_from_db()
    assert (stage.order.status, Order.objects.count(), Request.objects.count()) == ("In progress", 1, 1)


def test_nothing_of_another_customer_is_on_any_page(stage: Stage) -> None:
    bob = _browser(stage.bob)
    for address in walk():
        if address.arguments:
            continue
        for query in ("", "?q=alices", f"?customer={stage.alice.pk}", f"?order={stage.order.pk}"):
            answer = bob.get(address.path + query)
            if answer.streaming:
                content = b"".join(answer.streaming_content).decode()
            else:
                content = answer.content.decode()
            content = content.replace("q=alices", "").replace('value="alices"', "")
            for secret in ("alices-", "alice@example.org", "Alice Ames"):
                assert secret not in content, (address.path + query, secret)


def test_a_reviewer_sees_no_cost_key_or_provider_balance_on_any_page(stage: Stage) -> None:
    """Amounts that occur nowhere else stand in every column that is for admins only."""
    Order.objects.update(cost=Decimal("1.737373"))
    Submission.objects.update(reported_charge=Decimal("1.747474"))
    Offer.objects.update(rate=Decimal("1.757575"))
    Service.objects.update(cost_rate=Decimal("1.767676"))
    Provider.objects.update(
        balance=Decimal("177.787878"), key="canary-provider-key", low_balance=Decimal("17.797979")
    )
    BalanceReading.objects.create(
        provider=Provider.objects.get(), amount=Decimal("177.787878"), currency="USD"
    )
    secrets = (
        "1.7373",
        "1.74",
        "1.747",
        "1.7575",
        "1.76",
        "1.767",
        "177.78",
        "177.79",
        "17.79",
        "17.80",
        "canary-provider-key",
    )
    seen = 0
    for address in walk():
        answer = stage.clients["reviewer"].get(stage.path_of(address))
        if (
            answer.status_code == 200
            and not answer.streaming
            and not address.path.startswith(("/metrics", "/static"))
        ):
            seen += 1
            content = answer.content.decode()
            assert not [secret for secret in secrets if secret in content], address.path
        if "_auth_user_id" not in stage.clients["reviewer"].session:
            stage.clients["reviewer"] = _browser(stage.reviewer)
    assert seen > 10


def test_staff_without_a_second_factor_are_sent_to_enrol_one() -> None:
    for user in (world.reviewer(), world.admin()):
        client = Client()
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        for path in ("/staff/review", "/staff/orders", "/staff/customers"):
            assert client.get(path)["Location"] == "/account/2fa/totp/activate/"
        assert client.post("/staff/review/decide", {"ids": 1, "decision": "approve"}).status_code == 302


def test_without_a_second_factor_staff_open_nothing_else(stage: Stage) -> None:
    """Also not the pages that customers have: on an order's own page staff see anybody's."""
    shut, wrong = 0, []
    for user in (stage.reviewer, stage.admin, stage.superuser):
        user.authenticator_set.all().delete()
        client = Client(raise_request_exception=False)
        for address in walk():
            if address.path.startswith(OPEN_TO_STAFF):
                continue
            shut += 1
            client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
            for method in (client.get, client.post):
                answer = method(stage.path_of(address))
                if answer.status_code != 302 or answer["Location"] != "/account/2fa/totp/activate/":
                    wrong.append(
                        f"{method.__name__.upper()} {address.path} as {user.email}: {answer.status_code}"
                    )
    assert not wrong, "\n".join(wrong)
    assert shut > 300


def _get(stage: Stage, role: str, path: str) -> int:
    client = stage.clients[role]
    status = client.get(path).status_code
    if role != "anonymous" and "_auth_user_id" not in client.session:  # the address signed us out
        stage.clients[role] = _browser(getattr(stage, {"customer": "alice"}.get(role, role)))
    return status


def _line(path: str, seen: Mapping[str, int]) -> str:
    return f"{path:<56} {' '.join(f'{seen[role]:>3}' for role in ROLES)}"


def test_a_pattern_without_a_sample_says_what_to_add() -> None:
    with pytest.raises(LookupError, match="no sample for <thing_id>"):
        Address("/x/<thing_id>", ("thing_id",)).filled({})
