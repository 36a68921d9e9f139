"""Lists with ids: what is asked about many comes back as a list of rows, an error stands where the word or the
id would be, and refill ids are under `refills`."""

from collections.abc import Mapping
from typing import Any, ClassVar

from providers.adapters.options import OPTIONS, Option
from providers.adapters.reading import folded
from providers.adapters.standard import StandardAdapter

# Both forms of a refill are asked the same way: by `orders`, and followed by `refills`.
_MULTI_REFILL = OPTIONS["multi_refill"]
_ERRORS = ("incorrect", "invalid", "notfound", "notexist")


class ListsWithIdsAdapter(StandardAdapter):
    own_options: ClassVar[Mapping[str, Option]] = {
        "multi_refill": Option(_MULTI_REFILL.kind, True, _MULTI_REFILL.help),
        "field_renames": Option("pairs", {"refill_status.refill": "refills"}, OPTIONS["field_renames"].help),
    }

    def opened(self, action: str, answer: Any) -> Any:
        if isinstance(answer, Mapping) and isinstance(answer.get("refills"), list):
            answer = answer["refills"]
        if isinstance(answer, list):
            return [self._row(action, row) if isinstance(row, Mapping) else row for row in answer]
        return answer

    def _row(self, action: str, row: Mapping[str, Any]) -> Mapping[str, Any]:
        if action == "refill" and "id" in row and "refill" not in row:
            return {**row, "refill": row["id"]}
        status = row.get("status")
        if isinstance(status, str) and any(word in folded(status) for word in _ERRORS):
            return {**row, "status": {"error": status}}
        return row
