#!/bin/sh
# Starts the example, or one of its processes: start.sh [all|web1|web2|proxy|stop]. It needs haproxy and Tomcat 10 with a Java runtime (the
# Debian packages haproxy, tomcat10 and default-jre-headless). CLUSTER says how the nodes share their sessions:
#   sync      DeltaManager; a node answers when the other one has the changes (channelSendOptions 6)
#   async     the same, and a node answers at once (channelSendOptions 8, the default of Tomcat's documentation)
#   none      they do not
set -e
here=$(cd "$(dirname "$0")" && pwd)
export FOLDER="${FOLDER:-$PWD}" PORT="${PORT:-8080}" PORT1="${PORT1:-8081}" PORT2="${PORT2:-8082}" STICKY="${STICKY:-no}"
export CLUSTER="${CLUSTER:-sync}" CLUSTER_PORT1="${CLUSTER_PORT1:-4001}" CLUSTER_PORT2="${CLUSTER_PORT2:-4002}"
export CATALINA_HOME="${CATALINA_HOME:-/usr/share/tomcat10}"
run() { # NAME COMMAND…: starts a process that outlives this script
    name=$1
    shift
    setsid "$@" >>"$FOLDER/$name.log" 2>&1 </dev/null &
    echo $! >"$FOLDER/$name.pid"
}
cluster() { # OWN_NUMBER OWN_PORT OTHER_NUMBER OTHER_PORT: the element <Cluster>
    case "$CLUSTER" in
    sync) options=6 ;;
    async) options=8 ;;
    *) return 0 ;;
    esac
    tribes=org.apache.catalina.tribes
    cat <<XML
<Cluster className="org.apache.catalina.ha.tcp.SimpleTcpCluster" channelSendOptions="$options">
  <Manager className="org.apache.catalina.ha.session.DeltaManager" expireSessionsOnShutdown="false"/>
  <Channel className="$tribes.group.GroupChannel">
    <Membership className="$tribes.membership.StaticMembershipService">
      <LocalMember className="$tribes.membership.StaticMember" domain="shop" uniqueId="{0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,$1}"/>
      <Member className="$tribes.membership.StaticMember" domain="shop" host="127.0.0.1" port="$4"
              uniqueId="{0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,$3}"/>
    </Membership>
    <Receiver className="$tribes.transport.nio.NioReceiver" address="127.0.0.1" port="$2" autoBind="1"/>
    <Sender className="$tribes.transport.ReplicationTransmitter">
      <Transport className="$tribes.transport.nio.PooledParallelSender" timeout="2000"/>
    </Sender>
    <Interceptor className="$tribes.group.interceptors.TcpFailureDetector" connectTimeout="500"/>
    <Interceptor className="$tribes.group.interceptors.MessageDispatchInterceptor"/>
  </Channel>
  <Valve className="org.apache.catalina.ha.tcp.ReplicationValve" filter=""/>
  <ClusterListener className="org.apache.catalina.ha.session.ClusterSessionListener"/>
</Cluster>
XML
}
web() { # NAME PORT OWN_NUMBER OWN_PORT OTHER_NUMBER OTHER_PORT
    export CATALINA_BASE="$FOLDER/$1"
    mkdir -p "$CATALINA_BASE/conf" "$CATALINA_BASE/temp" "$CATALINA_BASE/logs" "$CATALINA_BASE/work"
    cp /etc/tomcat10/web.xml "$CATALINA_BASE/conf/web.xml"
    cat >"$CATALINA_BASE/conf/server.xml" <<XML
<Server port="-1">
  <Service name="Catalina">
    <Connector port="$2" address="127.0.0.1" protocol="HTTP/1.1" maxThreads="32"/>
    <Engine name="Catalina" defaultHost="localhost" jvmRoute="">
      <Host name="localhost" appBase="none" autoDeploy="false">
        $(cluster "$3" "$4" "$5" "$6")
        <Context path="" docBase="$here/shop"/>
      </Host>
    </Engine>
  </Service>
</Server>
XML
    export CATALINA_OPTS="-Xmx96m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Dnode=$1 -Djava.security.egd=file:/dev/urandom"
    run "$1" "$CATALINA_HOME/bin/catalina.sh" run
}
case "${1:-all}" in
web1) web web1 "$PORT1" 1 "$CLUSTER_PORT1" 2 "$CLUSTER_PORT2" ;;
web2) web web2 "$PORT2" 2 "$CLUSTER_PORT2" 1 "$CLUSTER_PORT1" ;;
proxy) run proxy haproxy -db -f "$here/haproxy.cfg" ;;
all) for name in web1 web2 proxy; do "$0" "$name"; done ;;
stop) for name in proxy web1 web2; do kill "$(cat "$FOLDER/$name.pid")" 2>/dev/null || true; done ;;
*) echo "$0: unknown command $1" >&2 && exit 2 ;;
esac
