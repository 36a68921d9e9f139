"""What a page weighs for a customer with a history, on a panel with a full price list: the bytes that came over the wire."""

import random
import uuid
from decimal import Decimal

import pytest
from playwright.sync_api import Request

from customers import wallet
from customers.api_keys import create_api_key
from orders.mass_lines import read_lines
from orders.mass_placing import place_all
from orders.models import Order
from providers.models import Category, Offer, Provider, Route, Service
from tests import world
from tests.browser.conftest import Open, session_of
from tests.panel.test_compressing import Wire

FIRST_VISIT, LATER_PAGE = 140_000, 15_000  # bytes
# Chosen by a generator with a seed: repeated text would weigh nothing, and the figures must not change by themselves.
CHANCE = random.Random(6)
WHAT = "impressions views placements mentions listings reviews listeners sign-ups visits downloads replays saves".split()
WHERE = "worldwide Germany France Spain Italy Poland Brazil Mexico Japan Canada India Turkey Sweden Portugal".split()
HOW = (
    "Delivered by people who agreed to take part, and paid for it; the start is within the hour.",
    "Shown to readers of the partner sites of this network, marked as an advertisement.",
    "Counts from the first day. Keep the page public until the order has ended.",
    "The editor reads each text before it appears; a refused one is returned in full.",
    "Slow at first, then evenly over the days. Best for pages that had no campaign before.",
)


class Shop:
    """300 services in 12 categories; a customer with 200 orders, 50 deposits besides, keys and favorites."""

    def __init__(self) -> None:
        self.alice = world.customer(name="Alice Archer", balance="5000")
        provider = world.provider()
        services = [
            service
            for number in range(12)
            for service in self.shelf(provider, WHAT[number].capitalize(), number)
        ]
        self.service = services[7]
        for n in range(50):
            amount = Decimal(CHANCE.randrange(1000, 50_000)) / 100
            reference = f"{CHANCE.randrange(16**8):08x}"
            wallet.deposit(self.alice, amount, f"deposit:{n}", f"Bank transfer {reference}", "world")
        lines = [
            f"{CHANCE.choice(services).pk} | https://video.example/watch?v={CHANCE.randrange(16**11):011x} |"
            f" {CHANCE.randrange(1, 40) * 50}"
            for _ in range(200)
        ]
        self.token = uuid.uuid4()
        self.orders = place_all(self.alice, read_lines("\n".join(lines)), token=self.token.hex)
        for order in self.orders[:150]:
            delivered = CHANCE.randrange(order.total)
            Order.objects.filter(pk=order.pk).update(
                status="In progress", start_count=CHANCE.randrange(90_000), remains=order.total - delivered
            )
        for label in ("Shop", "Agency", "Test"):
            create_api_key(self.alice, label)

    def shelf(self, provider: Provider, name: str, number: int) -> list[Service]:
        category = Category.objects.create(name=name)
        made = []
        for n in range(25):
            rate = Decimal(CHANCE.randrange(20, 900)) / 100
            title = f"{name}, {CHANCE.choice(WHERE)}, {CHANCE.choice(WHAT)} {CHANCE.randrange(10, 99)}k a day"
            offer = Offer.objects.create(
                provider=provider, external_id=str(number * 100 + n), name=title, category=name,
                type_raw="Default", service_type="default", rate=rate / 2, minimum=10, maximum=1_000_000,
                refill=n % 2 == 0, cancel=n % 3 == 0, dripfeed=True,
            )  # fmt: skip
            service = Service.objects.create(
                category=category, name=title, service_type="default", minimum=10, maximum=CHANCE.randrange(1, 99) * 10_000,
                refill=n % 2 == 0, cancel=n % 3 == 0, dripfeed=True, rate=rate, cost_rate=rate / 2, published=True,
                description=" ".join(CHANCE.sample(HOW, 3)), delivery_note=CHANCE.choice(HOW),
            )  # fmt: skip
            Route.objects.create(service=service, offer=offer)
            made.append(service)
        return made


@pytest.fixture
def shop(transactional_db: None) -> Shop:
    return Shop()


def test_a_first_visit_and_every_later_page_stay_light(shop: Shop, open_page: Open) -> None:
    heavy = {}
    for path in ("/orders/", "/orders/new", "/services/"):
        came: list[Request] = []
        page = open_page("about:blank", user=shop.alice)
        page.on("requestfinished", lambda request, came=came: came.append(request))
        page.goto(path, wait_until="networkidle")
        sizes = {request.url: request.sizes()["responseBodySize"] for request in came}
        assert len(sizes) > 5
        if sum(sizes.values()) > FIRST_VISIT:
            heavy[f"first visit to {path}"] = sizes
    wire = Wire(open_page.address, session_of(shop.alice))
    for path in later_pages(shop):
        answer, packed = wire.ask(path)
        assert answer.status == 200, path
        if len(packed) > LATER_PAGE:
            heavy[path] = {"": len(packed)}
    assert not heavy, heavy


def later_pages(shop: Shop) -> list[str]:
    return [
        "/", "/orders/", "/orders/?size=100", "/orders/?q=video", "/orders/rows?size=100", f"/orders/{shop.orders[3].pk}",
        f"/orders/{shop.orders[3].pk}/cancel",
        "/orders/new", f"/orders/new?service={shop.service.pk}", "/orders/services?q=", "/orders/mass",
        f"/orders/mass/{shop.token}", "/services/", "/services/?page=2", "/services/?q=germany",
        f"/services/?category={shop.service.category_id}", "/wallet/", "/wallet/?size=100", "/api", "/api/keys/new",
        "/account/", "/account/notices", "/account/data", "/account/2fa/", "/account/sessions/", "/help/", "/terms",
        "/acceptable-use",
    ]  # fmt: skip
