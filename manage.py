#!/usr/bin/env python
"""Django's command line. `./manage` runs it with the virtual environment and the state under var/."""

import os
import sys

if __name__ == "__main__":
    # Backups, migrations and bulk loads may take longer than a page or a task may.
    os.environ.setdefault("DB_STATEMENT_TIMEOUT_MS", "0")
    from panel.startup import read_settings

    read_settings()
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
