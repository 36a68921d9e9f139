"""Success envelopes: {"status":"success","data":…} or {"status":"fail","message":…} around every answer, names
in several languages, and words of its own for the columns."""

from collections.abc import Mapping
from typing import Any, ClassVar

from providers.adapters.options import OPTIONS, Option
from providers.adapters.reading import folded
from providers.adapters.standard import StandardAdapter

# their column → ours, in rows about one order or refill
_COLUMNS = {
    "order_id": "order",
    "order_status": "status",
    "refill_id": "refill",
    "refill_status": "status",
    "start_counter": "start_count",
    "remaining": "remains",
    "price": "charge",
    "canceled": "cancel",
}
_RENAMES = {
    "status.order": "order_id",
    "status.orders": "order_ids",
    "refill.order": "order_id",
    "refill.orders": "order_ids",
    "refill_status.refill": "refill_id",
    "refill_status.refills": "refill_ids",
    "cancel.order": "order_id",
    "cancel.orders": "order_ids",
}


class SuccessEnvelopesAdapter(StandardAdapter):
    own_options: ClassVar[Mapping[str, Option]] = {
        "field_renames": Option("pairs", _RENAMES, OPTIONS["field_renames"].help),
    }

    def opened(self, action: str, answer: Any) -> Any:
        if not isinstance(answer, Mapping) or folded(str(answer.get("status"))) != "success":
            return answer
        data = answer.get("data")
        if not isinstance(data, Mapping | list):
            return answer
        if action in ("services", "balance"):
            return data
        if isinstance(data, list):
            return [_row(row) if isinstance(row, Mapping) else row for row in data]
        rows = {name: _row(row) if isinstance(row, Mapping) else row for name, row in data.items()}
        return _row(rows)


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    """One row in our words. A message counts as an error only where nothing else is told."""
    read = {_COLUMNS.get(name, name): value for name, value in row.items()}
    told = "status" in read or "cancel" in read or {"order", "refill"} <= read.keys()
    if "message" in row and not told:
        read["error"] = read.pop("message")
    return read
