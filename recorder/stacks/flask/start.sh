#!/bin/sh
# Starts the example, or one of its processes: start.sh [all|redis|web1|web2|proxy|stop]. It needs haproxy, redis-server, and of Python
# flask, flask-session, redis and waitress: python3 -m venv venv && venv/bin/pip install flask flask-session redis waitress &&
# PYTHON=venv/bin/python ./start.sh. SESSIONS says where the sessions are:
#   redis     in one Redis, which keeps nothing on disk
#   files     in files of each node
set -e
here=$(cd "$(dirname "$0")" && pwd)
export FOLDER="${FOLDER:-$PWD}" PORT="${PORT:-8080}" PORT1="${PORT1:-8081}" PORT2="${PORT2:-8082}" REDIS_PORT="${REDIS_PORT:-8083}"
export SESSIONS="${SESSIONS:-redis}" WORK_MS="${WORK_MS:-0}" PYTHONPATH="$here"
run() { # NAME COMMAND…: starts a process that outlives this script
    name=$1
    shift
    setsid "$@" >>"$FOLDER/$name.log" 2>&1 </dev/null &
    echo $! >"$FOLDER/$name.pid"
}
web() { # NAME PORT
    NODE=$1 run "$1" "${PYTHON:-python3}" -m waitress --listen="127.0.0.1:$2" --threads=12 app:app
}
case "${1:-all}" in
redis) run redis redis-server --port "$REDIS_PORT" --bind 127.0.0.1 --save "" --dir "$FOLDER" ;;
web1) web web1 "$PORT1" ;;
web2) web web2 "$PORT2" ;;
proxy) run proxy haproxy -db -f "$here/haproxy.cfg" ;;
all) for name in redis web1 web2 proxy; do "$0" "$name"; done ;;
stop) for name in proxy web1 web2 redis; do kill "$(cat "$FOLDER/$name.pid")" 2>/dev/null || true; done ;;
*) echo "$0: unknown command $1" >&2 && exit 2 ;;
esac
