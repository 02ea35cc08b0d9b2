"""The server: a process for each core, threads for those who wait for the database or a hash."""

import os
import sys
from pathlib import Path
from typing import Any

# gunicorn puts this folder on the path only after it has read this file.
sys.path.insert(0, str(Path(__file__).resolve().parent))

# `import config` would be taken for gunicorn's setting of that name.
from config import THREADS, SettingError, check_service, load
from workhub import logs

try:
    _settings = load()
    check_service(_settings)
except SettingError as error:
    sys.exit(f"Error: {error.format_message()}")

bind = _settings["WORKHUB_BIND"]
wsgi_app = "wsgi:app"
worker_class = "workhub.server.Worker"
workers = max(2, len(os.sched_getaffinity(0)))
threads = THREADS
keepalive = 75  # seconds; longer than nginx keeps its connections to an upstream
control_socket_disable = True
graceful_timeout = 20
logconfig_dict = logs.standard_library(_settings["LOG_LEVEL"])


def post_fork(_server: Any, _worker: Any) -> None:
    """Let the worker's own lines look like gunicorn's."""
    logs.configure(_settings["LOG_LEVEL"])
