"""A Flask application in one file, whose sessions Flask-Session keeps on the server.

SESSIONS says where: `redis` (both nodes share it) or `files` (FileSystemCache, a folder of each node). NODE is the name of the node, and
WORK_MS is how long it works on each request. Flask-Session reads a session before the request and writes all of it back after it.
"""

import os
import time

from cachelib import FileSystemCache
from flask import Flask, jsonify, request, session
from flask_session import Session
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

app = Flask(__name__)
app.config.update(SESSION_PERMANENT=False)
if os.environ.get("SESSIONS", "redis") == "redis":
    # One new connection at once, and no more: by default, the client of Redis waits for seconds, by chance, and hides outages from users.
    retry = Retry(NoBackoff(), 1)
    redis = Redis(port=int(os.environ.get("REDIS_PORT", "8083")), socket_timeout=2, socket_connect_timeout=2, retry=retry)
    app.config.update(SESSION_TYPE="redis", SESSION_REDIS=redis)
else:
    redis = None
    folder = os.path.join(os.environ.get("FOLDER", "."), "sessions-" + os.environ.get("NODE", "web"))
    app.config.update(SESSION_TYPE="cachelib", SESSION_CACHELIB=FileSystemCache(folder, threshold=100_000))
Session(app)


@app.get("/health")
def health():
    if redis is not None:
        redis.ping()
    return "up"


@app.before_request
def work():
    if request.path != "/health":
        time.sleep(int(os.environ.get("WORK_MS", "0")) / 1000)
    if request.path not in ("/health", "/login") and "user" not in session:
        return jsonify(error="nobody is logged in"), 401


@app.after_request
def say_node(response):
    response.headers["x-node"] = os.environ.get("NODE", "web")
    return response


@app.post("/login")
def login():
    session.clear()
    asked = request.get_json()
    session.update(user=asked["user"], value=asked["value"], fields={})
    # Against session fixation: an id from before the login is worth nothing after it.
    app.session_interface.regenerate(session)
    return jsonify(done=True)


@app.get("/cart")
def read():
    return jsonify(user=session["user"], value=session["value"], fields=session["fields"])


@app.put("/cart")
def write():
    session["value"] = request.get_json()["value"]
    return jsonify(done=True)


@app.patch("/cart")
def patch():
    asked = request.get_json()
    session["fields"] = {**session["fields"], asked["field"]: asked["value"]}
    return jsonify(done=True)


@app.post("/renew")
def renew():
    app.session_interface.regenerate(session)
    return jsonify(done=True)


@app.post("/logout")
def logout():
    session.clear()
    return jsonify(done=True)
