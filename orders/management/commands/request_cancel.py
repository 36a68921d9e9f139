"""request_cancel ORDER_ID: ask for a cancel, as the customer would."""

from orders.management.asking import AskCommand
from orders.requests import ask_cancel


class Command(AskCommand):
    help = "Ask for a cancel of an order; repeated, it returns the open request."
    ask = staticmethod(ask_cancel)
