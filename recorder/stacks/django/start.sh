#!/bin/sh
# Starts the example, or one of its processes: start.sh [all|web1|web2|proxy|stop]. It needs haproxy, and django and waitress of
# Python: python3 -m venv venv && venv/bin/pip install django waitress && PYTHON=venv/bin/python ./start.sh
set -e
here=$(cd "$(dirname "$0")" && pwd)
export FOLDER="${FOLDER:-$PWD}" PORT="${PORT:-8080}" PORT1="${PORT1:-8081}" PORT2="${PORT2:-8082}" STICKY="${STICKY:-no}"
export SECRET_KEY="${SECRET_KEY:-an example, which protects nothing}" PYTHONPATH="$here"
run() { # NAME COMMAND…: starts a process that outlives this script
    name=$1
    shift
    setsid "$@" >>"$FOLDER/$name.log" 2>&1 </dev/null &
    echo $! >"$FOLDER/$name.pid"
}
web() { # NAME PORT
    mkdir -p "$FOLDER/$1"
    NODE=$1 SESSION_FILE_PATH="$FOLDER/$1" run "$1" \
        "${PYTHON:-python3}" -m waitress --listen="127.0.0.1:$2" --threads=8 app:application
}
case "${1:-all}" in
web1) web web1 "$PORT1" ;;
web2) web web2 "$PORT2" ;;
proxy) run proxy haproxy -db -f "$here/haproxy.cfg" ;;
all)
    [ -e "$FOLDER/users.csv" ] || {
        echo name,password
        for number in $(seq 1 30); do echo "user$number,password$number"; done
    } >"$FOLDER/users.csv"
    [ -e "$FOLDER/db.sqlite3" ] || "${PYTHON:-python3}" "$here/app.py"
    for name in web1 web2 proxy; do "$0" "$name"; done
    ;;
stop) for name in proxy web1 web2; do kill "$(cat "$FOLDER/$name.pid")" 2>/dev/null || true; done ;;
*) echo "$0: unknown command $1" >&2 && exit 2 ;;
esac
