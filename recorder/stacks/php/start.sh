#!/bin/sh
# Starts the example, or one of its processes: start.sh [all|redis|web1|web2|proxy|stop]. It needs haproxy, redis-server, php8.2-fpm and
# php8.2-redis. SESSIONS says where the sessions are:
#   files     in files that both nodes share; PHP locks a session until its request ends
#   apart     in files of each node
#   redis     in Redis, as the extension does it by default: without locks
#   locked    in Redis, with redis.session.locking_enabled
set -e
here=$(cd "$(dirname "$0")" && pwd)
export HERE="$here" SCRIPT="$here/index.php" FOLDER="${FOLDER:-$PWD}" PORT="${PORT:-8080}" PORT1="${PORT1:-8081}" PORT2="${PORT2:-8082}"
export REDIS_PORT="${REDIS_PORT:-8083}" SESSIONS="${SESSIONS:-files}" WORK_MICROSECONDS="${WORK_MICROSECONDS:-5000}"
run() { # NAME COMMAND…: starts a process that outlives this script
    name=$1
    shift
    setsid "$@" >>"$FOLDER/$name.log" 2>&1 </dev/null &
    echo $! >"$FOLDER/$name.pid"
}
web() { # NAME PORT
    saved=$FOLDER/sessions
    [ "$SESSIONS" != apart ] || saved=$FOLDER/sessions-$1
    mkdir -p "$saved"
    case "$SESSIONS" in
    redis | locked) handler=redis saved="tcp://127.0.0.1:$REDIS_PORT" ;;
    *) handler=files ;;
    esac
    locking=0
    [ "$SESSIONS" != locked ] || locking=1
    cat >"$FOLDER/$1.conf" <<CONF
[global]
error_log = $FOLDER/$1.errors.log
daemonize = no
[www]
user = $(id -un)
listen = 127.0.0.1:$2
pm = static
pm.max_children = 12
clear_env = yes
env[NODE] = $1
env[WORK_MICROSECONDS] = $WORK_MICROSECONDS
php_admin_value[session.save_handler] = $handler
php_admin_value[session.save_path] = "$saved"
php_admin_value[redis.session.locking_enabled] = $locking
php_admin_value[redis.session.lock_retries] = 2000
php_admin_value[redis.session.lock_wait_time] = 2000
CONF
    root=
    [ "$(id -u)" != 0 ] || root=-R
    run "$1" "${PHP_FPM:-php-fpm8.2}" -F $root -y "$FOLDER/$1.conf"
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
