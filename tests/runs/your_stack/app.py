"""A small web application with sessions in files, so that all of its nodes share them: python3 app.py PORT FOLDER."""

import json
import os
import sys
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT, FOLDER = int(sys.argv[1]), sys.argv[2]


class Application(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=None):
        text = json.dumps(body or {}).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(text)))
        self.send_header("x-node", str(PORT))
        self.end_headers()
        self.wfile.write(text)

    def body(self):
        return self.rfile.read(int(self.headers.get("content-length") or 0)).decode()

    def path_of(self, session):
        return os.path.join(FOLDER, os.path.basename(session or "none"))

    def save(self, session, value):
        beside = self.path_of(session) + "." + uuid.uuid4().hex
        with open(beside, "w") as file:
            file.write(value)
        os.replace(beside, self.path_of(session))

    def do_GET(self):
        if self.path == "/health":
            return self.answer(200)
        try:
            with open(self.path_of(self.headers.get("x-session"))) as file:
                self.answer(200, {"data": file.read()})
        except FileNotFoundError:
            self.answer(401)

    def do_POST(self):
        session = uuid.uuid4().hex
        self.save(session, self.body())
        self.answer(200, {"token": session})

    def do_PUT(self):
        session, value = self.headers.get("x-session"), self.body()
        if not os.path.exists(self.path_of(session)):
            return self.answer(401)
        self.save(session, value)
        self.answer(200)

    def do_DELETE(self):
        try:
            os.remove(self.path_of(self.headers.get("x-session")))
            self.answer(200)
        except FileNotFoundError:
            self.answer(401)


ThreadingHTTPServer(("127.0.0.1", PORT), Application).serve_forever()
