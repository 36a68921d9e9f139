"""What the acts of staff raise when nothing was changed; each is a sentence for the person who asked."""

from orders.correcting import CannotCorrect
from orders.holding import NotUnsent
from orders.requests import NotAllowed
from orders.staff_decisions import CannotSettle

REFUSALS = (CannotSettle, NotAllowed, CannotCorrect, NotUnsent)
