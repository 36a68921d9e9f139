"""What a provider's sentence means, as data: class by class, and the sentences that prove nothing."""

import pytest

from providers.adapters.classify import looks_internal, refusal_kind
from providers.adapters.errors import REFUSAL_KINDS

SENTENCES = {
    "auth": (
        "Invalid API key", "Incorrect API key", "API key is invalid", "invalid_api_key", "api_key_invalid",
        "Bad key [key] given", "account suspended", "Your account has been suspended", "Account is disabled",
        "IP not allowed", "Your IP 203.0.113.7 is not allowed", "IP address blocked", "Unauthorized",
        "Unauthenticated.", "Access denied", "API access is disabled", "Invalid token", "User suspended",
        "Api is disable for this user or User not found. Contact the support",
    ),
    "provider_funds": (
        "Not enough funds on balance", "neworder.error.not_enough_funds", "insufficient balance",
        "Insufficient funds", "You do not have enough balance", "Your balance is not enough",
        "Not enough money", "Low balance", "no_funds", "INSUFFICIENT_FUNDS", "not sufficient funds",
    ),
    "service": (
        "Incorrect service ID", "service inactive", "Service not found", "Service disabled",
        "error.incorrect_service_id", "Disabled service ID", "Invalid service", "Service 12 not found",
        "The selected service is invalid.", "Service is currently disabled", "No such service",
        "service_not_found", "Service does not exist", "unknown service",
    ),
    "duplicate_link": (
        "You have active order with this link. Please wait until order being completed.",
        "neworder.error.link_duplicate", "Duplicate link", "There is already an active order for this link",
        "You already have an order with this link",
    ),
    "link": (
        "Bad link", "Incorrect link", "neworder.error.link", "Invalid link", "Link is invalid", "Invalid URL",
        "Account is private", "This profile is private", "User not found", "Invalid username",
    ),
    "quantity": (
        "Quantity less than minimal 100", "Quantity more than maximum 5000", "neworder.error.min_quantity",
        "neworder.error.max_quantity", "Minimum quantity is 10", "Quantity must be between 10 and 20",
        "Invalid quantity", "Quantity is not a number", "Min 100", "quantity exceeds the limit",
    ),
    "missing_field": (
        "Missing required parameter comments", "Missing required parameter: link", "Link is required",
        "The quantity field is required.", "Required field missing", "Missing parameter key",
        "Refill or refills parameter is required.",
    ),
    "order": (
        "Incorrect order ID", "Order not found", "Refill not found", "The selected order id is invalid.",
        "Invalid order", "order_not_found", "abc is not a number", "Incorrect refill ID",
    ),
    "rate_limit": (
        "Rate limit exceeded", "429", "Too many requests", "Too Many Attempts.", "Slow down",
        "rate_limit_exceeded", "Request limit reached",
    ),
    "protocol": ("Incorrect request", "Invalid action", "unknown_action", "Method not allowed", "Bad request"),
    "unknown": (
        "", "Error", "Order not eligible for refill.", "You are not eligible to cancel this order.",
        "Cannot cancel", "Service temporarily unavailable", "Hệ thống đang bảo trì!",
        "This content is not accepted", "Request timeout", "!!!", "\u0000",
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "sentence"), [(kind, sentence) for kind, those in SENTENCES.items() for sentence in those]
)
def test_a_sentence_has_its_class(kind: str, sentence: str) -> None:
    assert refusal_kind(sentence) == kind
    assert refusal_kind(sentence.upper()) == kind


def test_every_class_has_examples() -> None:
    assert set(SENTENCES) == set(REFUSAL_KINDS)


@pytest.mark.parametrize(
    "sentence",
    [
        "Unknown error, please try again", "Request timeout", "Connection timed out", "Timed out",
        "SQLSTATE[HY000]: General error", "Database error", "Internal server error", "Exception in Order.php",
        "Something went wrong", "An error occurred", "Service temporarily unavailable", "Bad gateway",
        "cURL error 28", "Try later", "Please retry", "Undefined index: order", "Could not process",
        "Failed to create order", "Provider error", "Upstream did not answer", "Unexpected token",
        "Order failed", "Cannot place order", "error", "Error", "failed", "", "Traceback (most recent call last)",
    ],
)  # fmt: skip
def test_a_breakdown_proves_nothing(sentence: str) -> None:
    assert looks_internal(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "Bad link", "Hệ thống đang bảo trì!", "This content is not accepted", "Only for verified resellers",
        "Orders are closed today", "Against the rules", "Not eligible", "We are in maintenance",
    ],
)  # fmt: skip
def test_a_decision_is_not_a_breakdown(sentence: str) -> None:
    assert not looks_internal(sentence)
