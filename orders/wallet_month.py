"""The sums of a month on a wallet's page, from the tallies of its owner where they can be believed.

The same figures as customers.ledger.month_sums, which adds up every transfer of the month; the room of wallets knows no
orders and so no tallies, therefore panel/urls.py hands this one to its page.
"""

from datetime import timedelta

from django.db import connection

from customers.ledger import Sums, month_begins
from customers.models import Account
from orders.models import Tally
from providers.tallied import ALWAYS, asked, tallies, units_and_gaps

_HOUSE = Account.HOUSE_IDS
_SALES, _DEPOSITS = _HOUSE[Account.Kind.SALES], _HOUSE[Account.Kind.DEPOSITS]
_SUMS = f"""CASE WHEN target_id = {_SALES} THEN amount END AS spent,
                   CASE WHEN source_id IN ({_SALES}, {_HOUSE[Account.Kind.WRITE_OFF]}) THEN amount END AS returned"""
# Transfers of everybody are read in the time without tallies (`+ 0`: not by the wallet's index, which holds all it ever
# paid); where that is longer, the wallet's own of the month.
_SHORT = timedelta(hours=6)

_MONTH = f"""
    WITH {units_and_gaps(keyed=True)},
    much AS MATERIALIZED (
        SELECT coalesce(sum(least(hi, now()) - greatest(lo, first.at)), '0') > %(short)s AS untallied
        FROM gaps, (SELECT min(at) AS at FROM customers_transfer) AS first WHERE lo < now() AND hi > first.at),
    summed AS (
        SELECT r.revenue + r.refunded AS spent, r.refunded AS returned
        FROM {tallies(Tally.Of.CUSTOMER, "AND t.key = %(user)s")}
        WHERE NOT (SELECT untallied FROM much)
        UNION ALL
        SELECT {_SUMS} FROM gaps CROSS JOIN LATERAL (
            SELECT source_id, target_id, amount FROM customers_transfer
            WHERE at >= gaps.lo AND at < gaps.hi AND (source_id + 0 = %(wallet)s OR target_id + 0 = %(wallet)s) OFFSET 0) t
        WHERE NOT (SELECT untallied FROM much)
        UNION ALL
        SELECT {_SUMS} FROM customers_transfer
        WHERE (source_id = %(wallet)s OR target_id = %(wallet)s) AND at >= %(start)s AND (SELECT untallied FROM much)
    )
    SELECT (SELECT coalesce(sum(amount), 0) FROM customers_transfer
            WHERE target_id = %(wallet)s AND source_id = {_DEPOSITS} AND at >= %(start)s),
           coalesce(sum(spent), 0), coalesce(sum(returned), 0)
    FROM summed
"""


def month_sums(wallet: Account) -> Sums:
    """Of the month that the reader's clock is in; one query."""
    first = month_begins()
    values = asked(first, ALWAYS, [first]) | {"wallet": wallet.pk, "user": wallet.user_id, "short": _SHORT}
    with connection.cursor() as cursor:
        cursor.execute(_MONTH, values)
        added, spent, returned = cursor.fetchone()
    return Sums(first, added, spent, returned)
