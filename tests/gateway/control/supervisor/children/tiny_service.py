"""The smallest program that the supervisor can run: answers every GET with 200 once it has its settings.

Environment `PYTHON_TINY_FAULT_<NAME>` breaks the process of that name: `exit` (code 3 at once), `deaf` (never listens),
`stubborn` (ignores SIGTERM and its lifeline).
"""

import http.server
import json
import os
import signal
import sys
import threading

ANSWER = {"workers": [{"name": f"gateway-{number}", "version": 1} for number in (1, 2)]}
"""What the control process answers; for services any body does."""


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(ANSWER).encode())

    def log_message(self, *_: object) -> None:
        pass


def leave_with_supervisor(fd: int) -> None:
    os.read(fd, 1)
    os._exit(0)


with os.fdopen(int(sys.argv[sys.argv.index("--settings-fd") + 1])) as pipe:
    settings = json.load(pipe)
name = settings.get("service") or settings.get("worker") or "control"
fault = os.environ.get(f"PYTHON_TINY_FAULT_{name.upper().replace('-', '_')}")
sys.stderr.write(f"{name} says hello\n")
if fault == "exit":
    sys.exit(3)
if fault == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
else:
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    threading.Thread(target=leave_with_supervisor, args=(settings["lifeline_fd"],), daemon=True).start()
place = settings.get("admin", settings)
if fault == "deaf" or not place.get("port"):
    threading.Event().wait()
http.server.ThreadingHTTPServer((place["host"], place["port"]), Handler).serve_forever()
