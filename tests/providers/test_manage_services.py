"""Services on the admins' pages: publishing with a markup, the editor, routes."""

from decimal import Decimal

import pytest
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from customers.audit import record
from customers.models import AuditEntry
from orders.models import Submission
from providers.applying import refresh_services
from providers.catalog import sync_catalog
from providers.models import Category, ExchangeRate, MarkupRule, Offer, Provider, Service
from providers.publishing import publish, unpublish
from providers.routes import add_route, shape_after
from providers.service_editing import change_service
from providers.service_effects import effect_of_routes
from tests import staff_world, world
from tests.providers.shop import Upstream, connected, everything_at, offer_of, service_of
from tests.providers.test_manage_providers import text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser() -> Client:
    return staff_world.signed_in(world.admin())


@pytest.fixture
def meridian(shop: Upstream) -> Provider:
    shop.list_many(3)
    provider = connected(shop)
    sync_catalog(provider, apply=True)
    return provider


def edited(service: Service, **values: object) -> dict[str, object]:
    """The editor's form as it stands, with changes."""
    return {
        "name": service.name,
        "description": service.description,
        "delivery_note": service.delivery_note,
        "category": service.category_id,
        "position": service.position,
        "refill_days": service.refill_days,
        "cancel_rule": service.cancel_rule,
    } | values


def test_selected_offers_go_on_sale_with_a_markup(browser: Client, meridian: Provider) -> None:
    page = text_of(browser.get(f"/manage/providers/{meridian.pk}/offers"))
    assert "Placement 1" in page and "Not on sale 3" in page
    browser.post(
        f"/manage/providers/{meridian.pk}/offers", {"which": "selected", "offer": ["1", "2"], "markup": "40"}
    )
    assert {service.rate for service in Service.objects.filter(published=True)} == {Decimal("1.40")}
    assert Service.objects.count() == 2
    assert "Not on sale 1 On sale 2" in text_of(browser.get(f"/manage/providers/{meridian.pk}/offers"))
    assert AuditEntry.objects.filter(verb="services.publish").exists()


def test_a_markup_that_replaces_rules_is_shown_before_it_is_set_and_undone_as_one(
    browser: Client, meridian: Provider
) -> None:
    offers = f"/manage/providers/{meridian.pk}/offers"
    assert 'name="preview" value="1"' in browser.get(offers).content.decode()
    values = {"which": "selected", "offer": ["1", "2"], "markup": "40", "preview": "1"}
    browser.post(offers, values)
    assert {service.rate for service in Service.objects.all()} == {Decimal("1.40")}, "new: nothing to ask"
    world.order(world.customer(), service_of(meridian, 1), quantity=1000)
    asked = browser.post(offers, values | {"markup": "100", "offer": ["1", "2", "3"]})
    shown = text_of(asked)
    assert "With a markup of 100%" in shown
    assert "2 rules are replaced. 1 service gets a rule. 1 service is new." in shown
    assert "2 services on sale are touched, 2 would have another price." in shown
    assert "Placement 3 3 Placements" in shown, "the list stands below as before"
    assert "28.6% → 50.0%" in shown and "+$0.60" in shown and "Rise over 20% 2 services" in shown
    assert {service.rate for service in Service.objects.all()} == {Decimal("1.40")}, "only asked so far"
    done = browser.post(offers, {"which": "selected", "offer": ["1", "2", "3"], "markup": "100"}, follow=True)
    assert "2 rules were replaced" in text_of(done)
    assert {service.rate for service in Service.objects.all()} == {Decimal("2.00")}
    change = AuditEntry.objects.filter(verb="markup.revise").latest("pk")
    rules = text_of(browser.get("/manage/markup"))
    assert "Latest change: Markup of 3 services of Meridian: 100%, 2 rules replaced" in rules
    browser.post("/manage/markup/undo", {"change": change.pk})
    assert {service.rate for service in Service.objects.filter(off_sale="")} == {Decimal("1.40")}
    assert service_of(meridian, 3).off_sale == "No markup rule applies to it."


def test_without_a_rule_or_markup_nothing_is_published_and_the_reason_is_said(
    browser: Client, meridian: Provider
) -> None:
    offers = f"/manage/providers/{meridian.pk}/offers"
    everything = {"which": "all", "markup": "", "listed": hidden(browser.get(offers), "listed")}
    answer = browser.post(offers, everything, follow=True)
    assert "no markup rule applies to it" in text_of(answer)
    assert not Service.objects.filter(published=True).exists()
    everything_at(0)
    browser.post(offers, everything)
    assert {service.rate for service in Service.objects.filter(published=True)} == {Decimal("1.00")}


def hidden(page: HttpResponse, name: str) -> str:
    """The value of a hidden field, the first of this name."""
    return str(page.content.decode().split(f'name="{name}" value="')[1].split('"')[0])


def test_all_means_the_offers_that_were_listed_and_not_those_that_came_since(
    browser: Client, shop: Upstream, meridian: Provider
) -> None:
    offers = f"/manage/providers/{meridian.pk}/offers"
    everything = {"which": "all", "markup": "40", "listed": hidden(browser.get(offers), "listed")}
    shop.list(4, rate="500.00")
    sync_catalog(meridian, apply=True)
    refused = browser.post(offers, everything)
    assert refused.status_code == 409
    said = text_of(refused)
    assert "The list of offers is not the one that was shown. Nothing was done" in said
    assert "Placement 4" in said and 'value="40"' in refused.content.decode(), "the new list, nothing lost"
    assert not Service.objects.exists()
    browser.post(offers, everything | {"listed": hidden(refused, "listed")})
    assert Service.objects.filter(published=True).count() == 4
    assert browser.post(offers, {"which": "all", "markup": "40"}, follow=True).status_code == 200
    unpublish([service_of(meridian, 4).pk])
    assert browser.post(offers, {"which": "all", "markup": "40"}).status_code == 409, "all of what?"


def test_a_yes_to_a_markup_is_for_the_prices_that_were_shown(
    browser: Client, shop: Upstream, meridian: Provider
) -> None:
    on_sale(meridian)
    offers = f"/manage/providers/{meridian.pk}/offers"
    asked = {"which": "selected", "offer": ["1", "2"], "markup": "100"}
    shown = browser.post(offers, asked | {"preview": "1"})
    Offer.objects.filter(provider=meridian, external_id="2").update(rate=Decimal("1.10"))
    refused = browser.post(offers, asked | {"shown": hidden(shown, "shown")})
    assert refused.status_code == 409
    assert "Offers, prices or rules changed since this was shown. Nothing was done" in text_of(refused)
    assert "2.20" in text_of(refused), "what it would do now"
    assert {service.rate for service in Service.objects.all()} == {Decimal("1.25")}
    done = browser.post(offers, asked | {"shown": hidden(refused, "shown")})
    assert done.status_code == 302
    assert service_of(meridian, 2).rate == Decimal("2.20")


def test_a_markup_that_is_none_is_said_beside_its_field(browser: Client, meridian: Provider) -> None:
    answer = browser.post(
        f"/manage/providers/{meridian.pk}/offers", {"which": "selected", "offer": ["1"], "markup": "much"}
    )
    assert answer.status_code == 422
    assert "Enter a number." in text_of(answer)


def on_sale(provider: Provider) -> Service:
    everything_at(25)
    publish(provider)
    return service_of(provider, 1)


def test_an_own_name_survives_the_providers_rename_and_can_be_given_back(
    browser: Client, shop: Upstream, meridian: Provider
) -> None:
    service = on_sale(meridian)
    browser.post(f"/manage/services/{service.pk}", edited(service, name="Our own words"))
    shop.list(1, name="Renamed upstream")
    sync_catalog(meridian, apply=True)
    service.refresh_from_db()
    assert (service.name, service.own_name) == ("Our own words", True)
    browser.post(f"/manage/services/{service.pk}", edited(service, name="Our own words"))  # box unticked
    service.refresh_from_db()
    assert (service.name, service.own_name) == ("Renamed upstream", False)


def test_everything_else_of_the_editor_is_kept_with_its_audit(browser: Client, meridian: Provider) -> None:
    service = on_sale(meridian)
    answer = browser.post(
        f"/manage/services/{service.pk}",
        edited(
            service, description="Plain words", delivery_note="By a newsletter", new_category="Our category",
            refill_days="45", position="7", hold_for_review="on", cancel_rule="rules", auto_refill="on", category="",
        ),
        follow=True,
    )  # fmt: skip
    assert "Saved." in text_of(answer)
    service.refresh_from_db()
    assert service.category == Category.objects.get(name="Our category")
    assert (service.description, service.delivery_note) == ("Plain words", "By a newsletter")
    assert (service.refill_days, service.position) == (45, 7)
    assert service.hold_for_review and service.auto_refill and service.own_description
    assert service.cancel_rule == "rules"
    entry = AuditEntry.objects.get(verb="service.change")
    assert entry.details["before"]["refill_days"] == 30
    assert entry.details["after"]["category"] == "Our category"


def test_which_cancels_need_no_review_is_chosen_by_service_and_audited(
    browser: Client, meridian: Provider
) -> None:
    service = on_sale(meridian)
    assert (
        '<option value="pending" selected>' in browser.get(f"/manage/services/{service.pk}").content.decode()
    )
    browser.post(f"/manage/services/{service.pk}", edited(service, cancel_rule="review"))
    browser.post(
        f"/manage/services/{service.pk}", edited(service, cancel_rule="never")
    )  # there is no such choice
    service.refresh_from_db()
    assert service.cancel_rule == "review"
    entry = AuditEntry.objects.get(verb="service.change")
    assert (entry.details["before"], entry.details["after"]) == (
        {"cancel_rule": "pending"},
        {"cancel_rule": "review"},
    )


def test_a_change_of_what_is_not_kept_any_more_cannot_be_undone_and_the_page_stands(
    browser: Client, meridian: Provider
) -> None:
    service = on_sale(meridian)
    kept = {"before": {"auto_cancel": False}, "after": {"auto_cancel": True}}
    record(None, "service.change", service, "Service changed: auto cancel", kept)
    page = browser.get(f"/manage/services/{service.pk}")
    assert page.status_code == 200
    assert "auto cancel" not in text_of(page)


def test_own_limits_are_narrower_and_outlast_the_providers_changes(
    browser: Client, shop: Upstream, meridian: Provider
) -> None:
    service = on_sale(meridian)
    wide = browser.post(f"/manage/services/{service.pk}", edited(service, own_minimum="5"))
    assert wide.status_code == 422
    assert "The provider takes 10 to 10,000." in text_of(wide)
    crossed = browser.post(
        f"/manage/services/{service.pk}", edited(service, own_minimum="900", own_maximum="200")
    )
    assert "The maximum is less than the minimum." in text_of(crossed)
    browser.post(f"/manage/services/{service.pk}", edited(service, own_minimum="100", own_maximum="500"))
    service.refresh_from_db()
    assert (service.minimum, service.maximum) == (100, 500)
    shop.list(1, min="200", max="9000")
    sync_catalog(meridian, apply=True)
    service.refresh_from_db()
    assert (service.minimum, service.maximum) == (200, 500)
    Offer.objects.filter(provider=meridian, external_id="1").update(minimum=1000)
    refresh_services(meridian.pk)
    service.refresh_from_db()
    assert (service.minimum, service.maximum) == (1000, 9000), (
        "nothing fits both: the provider's limits count"
    )


def test_a_pinned_price_below_cost_goes_off_sale_unless_a_reason_is_given(
    browser: Client, meridian: Provider
) -> None:
    service = on_sale(meridian)
    answer = browser.post(f"/manage/services/{service.pk}", edited(service, pinned_rate="0.90"), follow=True)
    assert "Saved, and it is off sale: The pinned price 0.90" in text_of(answer)
    service.refresh_from_db()
    assert service.off_sale
    assert "Below cost 1" in text_of(browser.get("/manage/services"))
    browser.post(
        f"/manage/services/{service.pk}",
        edited(service, pinned_rate="0.90", below_cost_reason="Launch offer"),
    )
    service.refresh_from_db()
    assert (service.rate, service.off_sale) == (Decimal("0.90"), "")


def test_the_history_of_a_price_tells_who_pinned_it_and_why(browser: Client, meridian: Provider) -> None:
    service = on_sale(meridian)
    page = f"/manage/services/{service.pk}"
    assert "Price $1.25 at a cost of $1.00" in text_of(browser.get(page))
    browser.post(page, edited(service, pinned_rate="1.60", pinned_reason="Contract of May"))
    shown = text_of(browser.get(page))
    assert "Pinned: no rule changes it. Contract of May" in shown
    assert "Pinned at $1.60" in shown and "By adam@example.org. Why: Contract of May" in shown
    assert "Price $1.60 at a cost of $1.00" in shown and "Margin 37.5%" in shown
    browser.post(
        page, edited(service, pinned_rate="0.90", pinned_reason="Opening", below_cost_reason="Launch")
    )
    assert "By adam@example.org. Why: Opening; Why below cost: Launch" in text_of(browser.get(page))
    wrong = browser.post(page, edited(service, pinned_reason="Left over"))
    assert wrong.status_code == 302, "a reason that was filled in goes with its price"
    service.refresh_from_db()
    assert (service.pinned_rate, service.pinned_reason) == (None, "")
    assert "Given back to the markup rules" in text_of(browser.get(page))
    wrong = browser.post(page, edited(service, pinned_reason="For nothing"))
    assert (wrong.status_code, "Pin a price to give a reason for it." in text_of(wrong)) == (422, True)
    log = text_of(browser.get(f"/manage/audit?subject=service:{service.pk}"))
    assert "Why: Contract of May" in log


def test_services_are_unpublished_and_published_again_in_bulk(browser: Client, meridian: Provider) -> None:
    on_sale(meridian)
    ids = [str(pk) for pk in Service.objects.values_list("pk", flat=True)]
    browser.post("/manage/services/act", {"act": "unpublish", "service": ids[:2]})
    assert Service.objects.filter(published=True).count() == 1
    MarkupRule.objects.all().delete()
    answer = browser.post("/manage/services/act", {"act": "publish", "service": ids[:1]}, follow=True)
    assert "No markup rule applies to it." in text_of(answer)
    everything_at(10)
    browser.post("/manage/services/act", {"act": "publish", "service": ids})
    assert Service.objects.filter(published=True).count() == 3


def test_what_going_off_the_list_means_is_shown_first(browser: Client, meridian: Provider) -> None:
    service = on_sale(meridian)
    world.order(world.customer(), service, quantity=2000)
    ids = [str(pk) for pk in Service.objects.values_list("pk", flat=True)]
    asked = browser.post("/manage/services/act", {"act": "unpublish", "service": ids, "preview": "1"})
    said = text_of(asked)
    assert "Take 3 services off the list?" in said
    assert "1 open order of theirs goes on." in said
    assert "Their orders of the last 30 days brought a profit of $0.50." in said
    assert Service.objects.filter(published=True).count() == 3
    one = f"/manage/services/{service.pk}/publish"
    assert "Take 1 service off the list?" in text_of(browser.post(one, {"act": "unpublish", "preview": "1"}))
    browser.post(one, {"act": "unpublish"})
    service.refresh_from_db()
    assert not service.published


def test_at_which_price_and_below_which_cost_it_goes_on_the_list_is_shown_first(
    browser: Client, meridian: Provider
) -> None:
    first, second, third = (on_sale(meridian), service_of(meridian, 2), service_of(meridian, 3))
    ids = [str(service.pk) for service in (first, second, third)]
    unpublish([int(pk) for pk in ids])
    change_service(first, {"pinned_rate": Decimal("0.90"), "below_cost_reason": "Launch"})
    change_service(second, {"pinned_rate": Decimal("0.80")})
    said = text_of(browser.post("/manage/services/act", {"act": "publish", "service": ids, "preview": "1"}))
    assert "Put 3 services on the list?" in said
    assert "No order of theirs is open. 2 are below cost. 1 cannot be sold and stays off." in said
    assert not Service.objects.filter(published=True).exists()
    answer = browser.post("/manage/services/act", {"act": "publish", "service": ids}, follow=True)
    assert "2 services are on sale." in text_of(answer)
    again = browser.post("/manage/services/act", {"act": "publish", "service": ids[:1], "preview": "1"})
    assert again.status_code == 302, "it is on the list already"


def test_the_list_finds_by_number_name_provider_id_and_state(browser: Client, meridian: Provider) -> None:
    service = on_sale(meridian)

    def names(query: str) -> set[str]:
        page = browser.get(f"/manage/services?{query}").content.decode()
        return {part.split('"')[0] for part in page.split('data-open href="')[1:]}

    mine = f"/manage/services/{service.pk}"
    assert names(f"q={service.pk}") >= {mine}
    assert names("q=placement 1") == {mine}
    assert names(f"provider={meridian.pk}") == {
        f"/manage/services/{pk}" for pk in Service.objects.values_list("pk", flat=True)
    }
    assert names("state=unpublished") == set()
    assert names("q=nothing like it") == set()


# ── routes ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_service_moves_to_another_providers_offer_while_open_orders_stay(
    browser: Client, meridian: Provider
) -> None:
    service = on_sale(meridian)
    order = staff_world.accepted(world.order(world.customer(), service, quantity=100))
    other = world.provider(name="Atlas")
    cheaper = world.offer(other, "900", rate=Decimal("0.80"))
    browser.post(f"/manage/services/{service.pk}/routes", {"act": "add", "id": cheaper.pk})
    service.refresh_from_db()
    assert service.cost_rate == Decimal("1.00"), "a new route stands behind the others"
    route = service.routes.get(offer=cheaper)
    browser.post(f"/manage/services/{service.pk}/routes", {"act": "up", "id": route.pk})
    service.refresh_from_db()
    assert (service.cost_rate, service.rate) == (Decimal("0.80"), Decimal("1.00"))
    order.refresh_from_db()
    assert order.submission.provider == meridian
    assert AuditEntry.objects.filter(verb="service.route", subject=f"service:{service.pk}").count() == 2


def test_a_route_is_switched_off_and_removed(browser: Client, meridian: Provider) -> None:
    service = on_sale(meridian)
    route = service.routes.get()
    browser.post(f"/manage/services/{service.pk}/routes", {"act": "off", "id": route.pk})
    service.refresh_from_db()
    assert service.off_sale == "No provider delivers it."
    browser.post(f"/manage/services/{service.pk}/routes", {"act": "on", "id": route.pk})
    service.refresh_from_db()
    assert service.off_sale == ""
    browser.post(f"/manage/services/{service.pk}/routes", {"act": "remove", "id": route.pk})
    assert not service.routes.exists()


def test_an_offer_of_another_type_is_no_route(browser: Client, meridian: Provider) -> None:
    service = on_sale(meridian)
    package = world.offer(world.provider(name="Atlas"), "1", service_type="package", type_raw="Package")
    answer = browser.post(
        f"/manage/services/{service.pk}/routes", {"act": "add", "id": package.pk}, follow=True
    )
    assert "the service is sold as Default" in text_of(answer)
    assert service.routes.count() == 1
    assert (
        f'value="{package.pk}"'
        not in browser.get(f"/manage/services/{service.pk}?offer=atlas").content.decode()
    )


def _second_offer(meridian: Provider, rate: str) -> Offer:
    """The same service at another provider that counts in euros."""
    other = world.provider(name="Second", currency="EUR")
    ExchangeRate.objects.create(currency="EUR", rate=Decimal("2"), date=timezone.now().date())
    return world.offer(other, "77", name="Placement 1 elsewhere", category="Placements", rate=Decimal(rate))


def test_a_service_moves_to_another_providers_offer_while_its_open_orders_stay(
    browser: Client, meridian: Provider
) -> None:
    everything_at(50)
    publish(meridian, ["1"])
    service = service_of(meridian, 1)
    order = world.order(world.customer(), service)
    offer = _second_offer(meridian, "0.80")
    found = browser.get(f"/manage/services/{service.pk}?offer=elsewhere").content.decode()
    assert "Placement 1 elsewhere" in found and "Move to it" in found
    said = browser.post(f"/manage/services/{service.pk}/routes", {"act": "move", "id": offer.pk}, follow=True)
    assert "New orders go to Second 77; 1 open order stays where it is." in text_of(said)
    assert "The price is $2.40 now, at a cost of $1.60." in text_of(said)
    service.refresh_from_db()
    assert (service.rate, service.cost_rate) == (Decimal("2.40"), Decimal("1.60"))
    assert [route.offer_id for route in service.routes.order_by("position")] == [
        offer.pk,
        offer_of(meridian, 1).pk,
    ]
    assert Submission.objects.get(pk=order.pk).provider_id == meridian.pk
    newer = world.order(world.bob(), service)
    assert Submission.objects.get(pk=newer.pk).provider_id == offer.provider_id


def test_the_cheapest_route_goes_first_in_panel_currency(browser: Client, meridian: Provider) -> None:
    everything_at(50)
    publish(meridian, ["1"])
    service = service_of(meridian, 1)
    offer = _second_offer(meridian, "0.40")  # 0.80 in panel currency, less than 1.00
    routes = f"/manage/services/{service.pk}/routes"
    browser.post(routes, {"act": "add", "id": offer.pk})
    assert "Cheapest first" in text_of(browser.get(f"/manage/services/{service.pk}"))
    browser.post(routes, {"act": "cheapest"}, follow=True)
    service.refresh_from_db()
    assert (service.cost_rate, service.rate) == (Decimal("0.80"), Decimal("1.20"))
    again = text_of(browser.post(routes, {"act": "cheapest"}, follow=True))
    assert "The cheapest route is first already." in again


def test_an_offer_of_another_type_is_not_moved_to(browser: Client, meridian: Provider) -> None:
    everything_at(50)
    publish(meridian, ["1"])
    service = service_of(meridian, 1)
    package = world.offer(meridian, "88", type_raw="Package", service_type="package")
    said = browser.post(
        f"/manage/services/{service.pk}/routes", {"act": "move", "id": package.pk}, follow=True
    )
    assert "the service is sold as" in text_of(said)
    assert service.routes.count() == 1


# ── what a change would do, and taking it back ──────────────────────────────────────────────────────


def test_a_pinned_price_is_shown_with_its_margin_before_it_is_saved_and_taken_back(
    browser: Client, meridian: Provider
) -> None:
    service = on_sale(meridian)
    page = f"/manage/services/{service.pk}"
    world.order(world.customer(), service, quantity=2000)
    asked = edited(service, pinned_rate="1.60")
    shown = text_of(browser.post(f"{page}/preview", asked))
    assert "Cost $1.00, price $1.25 → $1.60, margin 20.0% → 37.5%." in shown
    assert "2,000 ordered in the last 30 days. The profit on them would have been $0.70 higher." in shown
    below = text_of(browser.post(page, edited(service, pinned_rate="0.90") | {"preview": "1"}))
    assert "price $1.25 → $0.90, margin 20.0% → −11.1%. That is below cost. It would be off sale" in below
    with_reason = edited(service, pinned_rate="0.90", below_cost_reason="Launch offer")
    assert "It would be off sale" not in text_of(browser.post(f"{page}/preview", with_reason))
    assert "Enter a number." in text_of(browser.post(f"{page}/preview", edited(service, pinned_rate="x")))
    service.refresh_from_db()
    assert (service.rate, service.pinned_rate) == (Decimal("1.25"), None), "asking saves nothing"
    assert "Latest change" not in text_of(browser.get(page))
    browser.post(page, asked | {"refill_days": "45"})
    service.refresh_from_db()
    assert service.rate == Decimal("1.60")
    told = text_of(browser.get(page))
    assert f"Latest change: Service {service.pk} changed: refill days, pinned rate, adam@example.org" in told
    assert "If it is taken back: Cost $1.00, price $1.60 → $1.25, margin 37.5% → 20.0%." in told
    assert "Undone; the price follows." in taken_back(browser, service)
    service.refresh_from_db()
    assert (service.rate, service.pinned_rate, service.refill_days) == (Decimal("1.25"), None, 30)
    taken_back(browser, service)
    service.refresh_from_db()
    assert (service.rate, service.refill_days) == (Decimal("1.60"), 45), "an undo is undone in turn"
    assert AuditEntry.objects.filter(verb="service.change").count() == 3


def test_another_category_is_previewed_by_its_rule_and_given_back_by_its_name(
    browser: Client, meridian: Provider
) -> None:
    service = on_sale(meridian)
    other = Category.objects.create(name="Dear ones")
    MarkupRule.objects.create(scope="category", category=other, percent=100)
    page = f"/manage/services/{service.pk}"
    assert "price $1.25 → $2.00" in text_of(
        browser.post(f"{page}/preview", edited(service, category=other.pk))
    )
    assert "price $1.25 → $2.00" in text_of(
        browser.post(f"{page}/preview", edited(service, new_category="Dear  ones"))
    )
    browser.post(page, edited(service, category=other.pk))
    taken_back(browser, service)
    service.refresh_from_db()
    assert (service.category.name, service.rate) == ("Placements", Decimal("1.25"))


def test_a_change_that_was_overtaken_is_not_taken_back(browser: Client, meridian: Provider) -> None:
    service = on_sale(meridian)
    page = f"/manage/services/{service.pk}"
    browser.post(page, edited(service, pinned_rate="1.60"))
    first = AuditEntry.objects.latest("pk").pk
    browser.post(page, edited(service, pinned_rate="1.70"))
    said = text_of(browser.post(f"{page}/undo", {"change": first}, follow=True))
    assert "The service was changed again since" in said
    service.refresh_from_db()
    assert service.rate == Decimal("1.70")
    Service.objects.filter(pk=service.pk).update(pinned_rate=Decimal("1.80"))
    assert "Latest change" not in text_of(browser.get(page)), "it is no longer as the change left it"


def taken_back(browser: Client, service: Service) -> str:
    page = browser.get(f"/manage/services/{service.pk}").content.decode()
    change = page.split('name="change" value="')[1].split('"')[0]
    return text_of(browser.post(f"/manage/services/{service.pk}/undo", {"change": change}, follow=True))


def test_a_move_to_another_offer_is_shown_first_done_on_a_yes_and_taken_back_as_one(
    browser: Client, meridian: Provider
) -> None:
    service = on_sale(meridian)
    offer = _second_offer(meridian, "0.80")
    routes = f"/manage/services/{service.pk}/routes"
    asked = text_of(browser.post(routes, {"act": "move", "id": offer.pk, "preview": "1"}))
    assert "Move to Second 77?" in asked
    assert "Cost $1.00 → $1.60, price $1.25 → $2.00, margin 20.0%. 0 ordered in the last 30 days." in asked
    assert service.routes.count() == 1
    browser.post(routes, {"act": "move", "id": offer.pk})
    service.refresh_from_db()
    assert (service.rate, service.name) == (Decimal("2.00"), "Placement 1 elsewhere")
    assert "If it is taken back: Cost $1.60 → $1.00, price $2.00 → $1.25" in text_of(
        browser.get(f"/manage/services/{service.pk}")
    )
    taken_back(browser, service)
    service.refresh_from_db()
    assert (service.rate, service.name) == (Decimal("1.25"), "Placement 1")
    assert [route.offer.provider for route in service.routes.all()] == [meridian]


def test_an_act_on_routes_that_changes_no_price_needs_no_yes(browser: Client, meridian: Provider) -> None:
    service = on_sale(meridian)
    offer = _second_offer(meridian, "0.80")
    routes = f"/manage/services/{service.pk}/routes"
    browser.post(routes, {"act": "add", "id": offer.pk, "preview": "1"})
    assert service.routes.count() == 2, "it stands behind: added at once"
    first = service.routes.get(offer__provider=meridian)
    for act, said in (("off", "Cost $1.00 → $1.60"), ("down", "Cost $1.00 → $1.60"), ("remove", "$2.00")):
        page = text_of(browser.post(routes, {"act": act, "id": first.pk, "preview": "1"}))
        assert "Change the routes?" in page and said in page, act
    assert "It would be off sale: No provider delivers it." in text_of(
        browser.post(f"/manage/services/{_alone(meridian).pk}/routes",
                     {"act": "off", "id": _alone(meridian).routes.get().pk, "preview": "1"})
    )  # fmt: skip
    service.refresh_from_db()
    assert (service.cost_rate, service.routes.filter(enabled=True).count()) == (Decimal(1), 2)


def _alone(meridian: Provider) -> Service:
    return service_of(meridian, 2)


def test_what_is_foretold_of_routes_is_what_happens(browser: Client, meridian: Provider) -> None:
    service = on_sale(meridian)
    cheap = _second_offer(meridian, "0.40")
    add_route(service, cheap)
    gone = world.offer(meridian, "99", rate=Decimal("0.10"), name="Gone")
    Offer.objects.filter(pk=gone.pk).update(on_hold="The price rose.")
    add_route(service, gone)
    for act in ("cheapest", "up", "down", "off", "on", "remove"):
        route = service.routes.get(offer=offer_of(meridian, 1))
        (row,) = effect_of_routes(service, shape_after(service, act, route.offer)).rows
        browser.post(f"/manage/services/{service.pk}/routes", {"act": act, "id": route.pk})
        service.refresh_from_db()
        assert (service.rate, service.cost_rate, service.off_sale) == (row.new_price, row.cost, row.off_sale)
    assert [route.offer.pk for route in service.routes.all()] == [gone.pk, cheap.pk]
