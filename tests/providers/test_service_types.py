"""The table of service types: names, parameters, what counts as quantity, and the checks of an order."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.service_types import TYPES, InvalidOrder, Ordered, fold, lines_of, read_order

LINK = "https://example.com/p/1"


def order(code: str, minimum: int = 10, maximum: int = 10_000, **raw: str) -> Ordered:
    return read_order(TYPES[code], {"link": LINK, **raw}, minimum, maximum)


def refused(code: str, minimum: int = 10, maximum: int = 10_000, **raw: str) -> InvalidOrder:
    with pytest.raises(InvalidOrder) as invalid:
        order(code, minimum, maximum, **raw)
    return invalid.value


@pytest.mark.parametrize(
    ("code", "required", "optional", "counts"),
    [
        ("default", "", "", "quantity"),
        ("package", "", "", "one"),
        ("seo", "keywords", "", "quantity"),
        ("custom comments", "comments", "", "lines"),
        ("custom comments package", "comments", "", "one"),
        ("mentions", "usernames", "", "quantity"),
        ("mentions with hashtags", "usernames hashtags", "", "quantity"),
        ("mentions custom list", "usernames", "", "lines"),
        ("mentions hashtag", "hashtag", "", "quantity"),
        ("mentions user followers", "username", "", "quantity"),
        ("mentions media likers", "media", "", "quantity"),
        ("comment likes", "username", "", "quantity"),
        ("comment replies", "username comments", "", "lines"),
        ("poll", "answer_number", "", "quantity"),
        ("invites from groups", "groups", "", "quantity"),
        ("subscriptions", "username min max delay", "posts old_posts expiry", "one"),
        ("web traffic", "country device type_of_traffic", "google_keyword referring_url", "quantity"),
    ],
)
def test_the_table(code: str, required: str, optional: str, counts: str) -> None:
    service_type = TYPES[code]
    assert [field.name for field in service_type.fields if field.required] == required.split()
    assert [field.name for field in service_type.fields if not field.required] == optional.split()
    assert service_type.counts == counts
    assert service_type.per_order == (code in ("package", "custom comments package"))
    assert service_type.drip_feed == (code in ("default", "web traffic"))
    assert service_type.sellable == service_type.has_link == (code != "subscriptions")
    if counts == "lines":
        assert service_type.lines_field in required.split()


def test_the_table_is_whole() -> None:
    assert len(TYPES) == 17
    assert all(code == service_type.code == fold(service_type.name) for code, service_type in TYPES.items())


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ("Default", "default"), ("DEFAULT", "default"), (" default ", "default"),
        ("custom_comments", "custom comments"), ("Custom-Comments", "custom comments"),
        ("CustomComments", "custom comments"), ("custom  comments  package", "custom comments package"),
        ("mentions_user_followers", "mentions user followers"),
        ("Mentions Users Followers", "mentions user followers"), ("SEO2", "seo"), ("seo", "seo"),
        ("Invites from groups", "invites from groups"), ("Web traffic", "web traffic"),
        ("subscriptions", "subscriptions"),
        ("", None), (None, None), ("Unheard of", None), ("default2", None), (7, None),
    ],
)  # fmt: skip
def test_names_are_folded_and_never_guessed(raw: Any, code: str | None) -> None:
    assert fold(raw) == code


def test_lists_drop_blank_lines() -> None:
    assert lines_of("one\r\n\r\n  two \n\n \nthree\n") == ["one", "two", "three"]


# ---------------------------------------------------------------------------------------- what passes


def test_a_default_order() -> None:
    assert order("default", quantity="1,000") == Ordered(LINK, 1000)


def test_a_drip_feed_counts_all_its_runs() -> None:
    ordered = order("default", quantity="100", runs="5", interval="60")
    assert (ordered.quantity, ordered.runs, ordered.interval, ordered.total) == (100, 5, 60, 500)


@pytest.mark.parametrize("absent", ["", "undefined", "null", " ", "0", "1"])
def test_a_single_run_is_a_plain_order(absent: str) -> None:
    assert order("default", quantity="100", runs=absent) == Ordered(LINK, 100)
    assert order("package", runs=absent).runs is None


def test_comments_are_counted_by_line() -> None:
    ordered = order("custom comments", minimum=2, quantity="999", comments="nice\r\n\r\n great ")
    assert ordered == Ordered(LINK, 2, fields={"comments": "nice\ngreat"})


def test_a_package_is_one_whatever_the_limits_and_the_quantity_say() -> None:
    assert order("package", minimum=1000, quantity="5") == Ordered(LINK, 1)
    assert order("custom comments package", minimum=1000, comments="a\nb").quantity == 1


def test_only_the_fields_of_the_type_are_kept() -> None:
    ordered = order("poll", quantity="10", answer_number="2", comments="no", hashtag="no")
    assert dict(ordered.fields) == {"answer_number": "2"}


def test_a_link_may_be_any_text() -> None:
    for link in ("@someone", "12345", "пример", "a b c", "javascript:alert(1)"):
        assert read_order(TYPES["default"], {"link": link, "quantity": "10"}, 10, 20).link == link


def test_web_traffic_asks_for_what_its_kind_needs() -> None:
    raw = {"quantity": "100", "country": "US", "device": "5"}
    assert refused("web traffic", **raw, type_of_traffic="1").codes == {"google_keyword": "required"}
    assert refused("web traffic", **raw, type_of_traffic="2").codes == {"referring_url": "required"}
    plain = order("web traffic", **raw, type_of_traffic="3", google_keyword="ignored")
    assert dict(plain.fields) == {"country": "US", "device": "5", "type_of_traffic": "3"}
    search = order("web traffic", **raw, type_of_traffic="1", google_keyword="tea", runs="2", interval="5")
    assert search.fields["google_keyword"] == "tea" and search.total == 200


# ------------------------------------------------------------------------------------ what is refused


def test_limits_hold_per_run_and_have_exact_sentences() -> None:
    low = refused("default", minimum=1000, quantity="999", runs="5", interval="1")
    assert low.errors == {"quantity": "The minimum for this service is 1,000."}
    assert (low.codes, low.limit) == ({"quantity": "min"}, 1000)
    high = refused("default", maximum=5000, quantity="5001")
    assert high.errors == {"quantity": "The maximum for this service is 5,000."}
    assert (high.codes, high.limit) == ({"quantity": "max"}, 5000)
    lines = refused("custom comments", minimum=3, comments="a\nb")
    assert lines.errors == {"comments": "The minimum for this service is 3 lines."}
    assert (lines.codes, lines.limit) == ({"comments": "min"}, 3)


@pytest.mark.parametrize(
    "quantity", ["0", "-5", "1.5", "1e3", "٣", "ten", "1,00", "0x10", "1_000", "+5", "9" * 19, "1 000"]
)
def test_a_quantity_is_a_positive_whole_number(quantity: str) -> None:
    assert refused("default", minimum=0, quantity=quantity).codes["quantity"] in ("bad", "min", "max")


@pytest.mark.parametrize("absent", ["", " ", "undefined", "null"])
def test_what_is_absent_is_asked_for(absent: str) -> None:
    invalid = refused("mentions hashtag", link=absent, quantity=absent, hashtag=absent)
    assert invalid.codes == {"link": "required", "quantity": "required", "hashtag": "required"}
    assert all(sentence.endswith(".") for sentence in invalid.errors.values())


@pytest.mark.parametrize("link", ["a\x00b", "a\nb", "a\x1bb", "x" * 2049, "a\ud800b"])
def test_a_link_that_cannot_be_stored_or_sent_is_refused(link: str) -> None:
    assert refused("default", link=link, quantity="10").codes == {"link": "bad"}


@pytest.mark.parametrize(
    ("raw", "codes"),
    [
        ({"runs": "2"}, {"interval": "required"}),
        ({"runs": "2", "interval": "0"}, {"interval": "required"}),
        ({"interval": "10"}, {"runs": "required"}),
        ({"runs": "x", "interval": "10"}, {"runs": "bad"}),
        ({"runs": "1001", "interval": "10"}, {"runs": "bad"}),
        ({"runs": "2", "interval": "100001"}, {"interval": "bad"}),
        ({"runs": "-2", "interval": "10"}, {"runs": "bad"}),
    ],
)
def test_a_drip_feed_needs_both_figures_within_bounds(raw: dict[str, str], codes: dict[str, str]) -> None:
    assert refused("default", quantity="100", **raw).codes == codes


def test_a_type_without_drip_feed_refuses_runs() -> None:
    assert refused("package", runs="2", interval="5").codes == {"runs": "bad"}


def test_choices_and_numbers_are_checked() -> None:
    raw = {"quantity": "100", "country": "US", "type_of_traffic": "3"}
    assert refused("web traffic", **raw, device="6").codes == {"device": "unknown"}
    assert refused("poll", quantity="10", answer_number="two").codes == {"answer_number": "bad"}


def test_subscriptions_are_not_sold() -> None:
    assert refused("subscriptions", username="someone").codes == {"service": "bad"}


def test_lists_of_absurd_size_are_refused() -> None:
    assert refused("custom comments package", comments="x" * 200_001).codes == {"comments": "bad"}
    assert refused("custom comments", comments="x\n" * 10_001).codes == {"comments": "max"}


parameters = st.dictionaries(
    st.sampled_from(
        ["link", "quantity", "runs", "interval", "comments", "username", "usernames", "hashtags", "hashtag",
         "media", "answer_number", "groups", "keywords", "country", "device", "type_of_traffic", "key"]
    ),
    st.text(max_size=20) | st.integers(-5, 10**20).map(str) | st.sampled_from(["1", "null", "a\nb", "\x00"]),
)  # fmt: skip


@given(st.sampled_from(sorted(TYPES)), parameters, st.integers(0, 100), st.integers(0, 10**12))
def test_any_parameters_give_a_sound_order_or_sentences(
    code: str, raw: dict[str, str], minimum: int, maximum: int
) -> None:
    try:
        ordered = read_order(TYPES[code], raw, minimum, maximum)
    except InvalidOrder as invalid:
        assert invalid.errors.keys() == invalid.codes.keys() and invalid.errors
        assert set(invalid.codes.values()) <= {"required", "bad", "min", "max", "unknown"}
        assert (invalid.limit is not None) == bool({"min", "max"} & set(invalid.codes.values()))
        return
    assert 1 <= ordered.quantity < 2**31 and ordered.total < 2**63
    assert TYPES[code].counts == "one" or minimum <= ordered.quantity <= maximum
    json.dumps([ordered.link, *ordered.fields.values()]).encode()
    assert not any("\x00" in text for text in (ordered.link, *ordered.fields.values()))
