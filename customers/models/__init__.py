from customers.models.access import ApiKey
from customers.models.money import Account, DepositRequest, Transfer
from customers.models.notices import Notice
from customers.models.people import PriceGroup, User
from customers.models.records import AuditEntry, Heartbeat, Setting

__all__ = [
    "Account",
    "ApiKey",
    "AuditEntry",
    "DepositRequest",
    "Heartbeat",
    "Notice",
    "PriceGroup",
    "Setting",
    "Transfer",
    "User",
]
