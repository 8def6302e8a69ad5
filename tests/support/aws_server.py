"""moto behind a port: for commands that run in a process of their own, and may be killed there.

    python aws_server.py PORT_FILE

Writes its port to PORT_FILE and serves until it is ended; a POST to /moto-api/reset forgets everything. (moto's own
server wants Flask.)
"""

from __future__ import annotations

import os
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import requests
from moto import mock_aws

ONE_AT_A_TIME = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name: self.headers.get(name, "") for name in ("X-Amz-Target", "Content-Type", "Authorization")}
        service = re.search(r"Credential=[^/]+/[^/]+/[^/]+/([^/]+)/", headers["Authorization"])
        host = f"https://{service[1]}.us-east-1.amazonaws.com" if service else "http://motoapi.amazonaws.com"
        with ONE_AT_A_TIME:  # moto intercepts it: nothing leaves this process
            answer = requests.post(f"{host}{self.path}", data=body, headers=headers, timeout=60)
        self.send_response(answer.status_code)
        for name in ("Content-Type", "x-amzn-ErrorType"):
            if name in answer.headers:
                self.send_header(name, answer.headers[name])
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    def log_message(self, *_: object) -> None:
        """Quiet."""


if __name__ == "__main__":
    os.environ.update(AWS_ACCESS_KEY_ID="testing", AWS_SECRET_ACCESS_KEY="testing", AWS_DEFAULT_REGION="us-east-1")
    with mock_aws(), ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        port_file = Path(sys.argv[1])
        part = port_file.with_suffix(".part")
        part.write_text(str(server.server_address[1]))
        part.replace(port_file)
        server.serve_forever()
