"""Django's PostgreSQL backend, without a question to the database at the start of each request.

Threads keep their connections (CONN_MAX_AGE), and CONN_HEALTH_CHECKS asks `SELECT 1` before a kept one is used again: a
round trip for every call of the API. A server that went away says so first: it closes the connection, and the socket
becomes readable. So a connection that was in use a moment ago and whose socket is silent is taken for alive; one that
rested longer, whose end may have been lost on the way, is asked as before.

Prepared statements (customers/prepared.py) get names that no other connection has. psycopg counts from 0 in each, so
behind a pooler that passes connections around, with DB_PREPARED_STATEMENTS left on, one process could run what another
had prepared under the same name, with its own values. With names of its own it is told that there is no such statement.
"""

import secrets
import select
import time
from typing import Any

from django.db.backends.postgresql import base

TRUSTED_FOR_S = 1.0


class DatabaseWrapper(base.DatabaseWrapper):
    health_check_enabled: bool
    health_check_done: bool
    _used_at = float("-inf")

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        made = super().get_new_connection(conn_params)
        made._prepared._prepared_idx = secrets.randbits(48)
        return made

    def close_if_unusable_or_obsolete(self) -> None:
        """The end of a request or a task (and the beginning, when nothing was used since)."""
        if self.health_check_done:
            self._used_at = time.monotonic()
        super().close_if_unusable_or_obsolete()
        # Django leaves it set after a request that ended with an error: the next one is to look again.
        self.health_check_done = False

    def close_if_health_check_failed(self) -> None:
        if self.connection is not None and self.health_check_enabled and not self.health_check_done:
            self.health_check_done = self._seems_alive()
        super().close_if_health_check_failed()

    def _seems_alive(self) -> bool:
        if time.monotonic() - self._used_at > TRUSTED_FOR_S or self.connection.closed:
            return False
        socket = select.poll()
        socket.register(self.connection.fileno(), select.POLLIN)
        return not socket.poll(0)
