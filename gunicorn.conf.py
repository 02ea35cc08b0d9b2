"""The server: a process for each core, threads for those who wait for the database or a hash."""

import gc
import signal
import sys
from pathlib import Path
from typing import Any

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    # Until gunicorn has its own handlers, Ctrl-C ends it without a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
# gunicorn puts this folder on the path only after it has read this file.
sys.path.insert(0, str(Path(__file__).resolve().parent))

# `import config` would be taken for gunicorn's setting of that name.
from config import CORES, THREADS, SettingError, check_service, load
from workhub import logs

try:
    _settings = load()
    check_service(_settings)
except SettingError as error:
    sys.exit(f"Error: {error.format_message()}")

_ENDS = (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)

bind = _settings["WORKHUB_BIND"]
wsgi_app = "wsgi:app"
worker_class = "workhub.server.Worker"
workers = max(2, CORES)
threads = THREADS
keepalive = 75  # seconds; longer than nginx keeps its connections to an upstream
control_socket_disable = True
forwarded_allow_ips = ""  # what proxies say is taken by TRUSTED_PROXIES alone
graceful_timeout = 20
logconfig_dict = logs.standard_library(_settings["LOG_LEVEL"])


def when_ready(_server: Any) -> None:
    """Set aside what is loaded: no collection walks over it, and workers go on sharing it."""
    gc.freeze()


def post_fork(server: Any, _worker: Any) -> None:
    """Let the worker end when it is told to, and its own lines look like gunicorn's."""
    # Until the worker has its own handlers, those of its parent would swallow the signal.
    for ends in _ENDS:
        signal.signal(ends, signal.SIG_DFL)
    while not server.SIG_QUEUE.empty():
        if server.SIG_QUEUE.get() in _ENDS:
            sys.exit()
    logs.configure(_settings["LOG_LEVEL"])
