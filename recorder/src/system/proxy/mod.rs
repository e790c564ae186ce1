//! A TCP proxy inside the recorder. It can delay, hold, break, refuse and throttle the connections of a link, without
//! any privileges.
//!
//! The naive way is a separate proxy program. It would have to be installed, it could be left running, and causing a
//! fault would take a conversation with it. Here a [`Proxy`] is a task of the run, and a [`Link`] is a handle to all
//! connections that one end opens to another. The holder of the handle can change how bytes pass while connections
//! are open.
//!
//! ```
//! use recorder::system::{Direction, Flow, ProxyLink, Proxy};
//! use std::time::Duration;
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let link = ProxyLink::default();
//! let proxy = Proxy::start("127.0.0.1:0", "127.0.0.1:6379", link.clone()).await.unwrap();
//! let clients_connect_to = proxy.address();
//! link.set_flow(Direction::ToServer, Flow { delay: Duration::from_millis(50), ..Flow::default() });
//! link.set_flow(Direction::ToServer, Flow { held: true, ..Flow::default() });
//! link.set_flow(Direction::ToServer, Flow::default());
//! # });
//! ```
//!
//! **What it cannot do.** A proxy accepts a connection before it knows whether the server accepts it. A server that
//! is down therefore looks like one that breaks connections, and the proxy accepts a connection even while the link
//! is held. A proxy carries streams, so nothing can be lost or overtaken. A delay does not affect the handshake.
//!
//! **Cost.** One task for each connection, and at most a mebibyte of memory in each direction of it.

mod link;
mod messages;
mod pump;

pub use link::{Carried, Direction, Flow, Gate, LinkCounts, ProxyLink};
pub use messages::{MessageCounter, RedisCommands, Uncounted};

use link::LinkSettings;
use pump::{CONNECT_PATIENCE, carry_connection, wait_until_released};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};

/// How many connections one proxy carries at a time. Further ones wait to be accepted.
const CONNECTIONS_MAX: usize = 1024;
/// How long the proxy waits after it failed to accept a connection (too many open files).
const PAUSE: Duration = Duration::from_millis(10);
/// How many connections may wait to be accepted.
const BACKLOG: u32 = 1024;

/// A listening address before a server. When it is dropped, its connections are dropped too.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Listens at `listen` (port 0: any free port) and carries every connection to `server`, over one link.
    pub async fn start(listen: &str, server: &str, link: ProxyLink) -> io::Result<Self> {
        Self::start_with_links(listen, server, ProxyLinks { by_source: Vec::new(), others: link }).await
    }

    /// Starts a proxy for several ends that connect to one address. They are told apart by their source addresses,
    /// which the server sees too. Connections from any other address use the link `others`.
    pub async fn start_by_source(
        listen: &str,
        server: &str,
        links: Vec<(IpAddr, ProxyLink)>,
        others: ProxyLink,
    ) -> io::Result<Self> {
        Self::start_with_links(listen, server, ProxyLinks { by_source: links, others }).await
    }

    /// The address that the proxy listens at.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    async fn start_with_links(listen: &str, server: &str, links: ProxyLinks) -> io::Result<Self> {
        let listen = resolve_address(listen).await?;
        let reserve = bind_shared(listen)?;
        let address = reserve.local_addr()?;
        let listener = bind_shared(address)?.listen(BACKLOG)?;
        let door = ProxyListener { _reserve: reserve, address, server: server.into(), links };
        Ok(Self { address, task: tokio::spawn(door.accept_connections(listener)) })
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct ProxyLinks {
    by_source: Vec<(IpAddr, ProxyLink)>,
    others: ProxyLink,
}

impl ProxyLinks {
    fn all_links(&self) -> impl Iterator<Item = &ProxyLink> {
        self.by_source.iter().map(|(_, link)| link).chain([&self.others])
    }

    /// The link of a connection from an address, and the source address that the server is to see.
    fn link_for_source(&self, source: IpAddr) -> (ProxyLink, Option<IpAddr>) {
        match self.by_source.iter().find(|(known, _)| *known == source) {
            Some((_, link)) => (link.clone(), Some(source)),
            None => (self.others.clone(), None),
        }
    }
}

/// Accepts connections. To refuse connections, it stops listening. It keeps the port meanwhile through a second
/// socket, which is bound to the port and never listens.
struct ProxyListener {
    /// Reserves the port.
    _reserve: TcpSocket,
    address: SocketAddr,
    server: Arc<str>,
    links: ProxyLinks,
}

impl ProxyListener {
    async fn accept_connections(self, listener: TcpListener) {
        let mut listener = Some(listener);
        let mut connections = JoinSet::new();
        let changed = Arc::new(Notify::new());
        let mut watchers = JoinSet::new();
        for link in self.links.all_links() {
            let (mut watch, changed) = (link.subscribe(), changed.clone());
            watchers.spawn(async move {
                while watch.changed().await.is_ok() {
                    changed.notify_one();
                }
            });
        }
        loop {
            let refuses = self.links.all_links().all(|link| link.subscribe().borrow().gate == Gate::Refuse);
            if refuses {
                listener = None;
            } else if listener.is_none() {
                // No other program can listen there while the port is reserved. If listening fails, it is tried
                // again.
                listener = bind_shared(self.address).and_then(|socket| socket.listen(BACKLOG)).ok();
            }
            let accepts = connections.len() < CONNECTIONS_MAX;
            tokio::select! {
                () = changed.notified() => {}
                Some(_) = connections.join_next() => {}
                accepted = accept_or_wait(listener.as_ref()), if accepts && listener.is_some() => match accepted {
                    Ok((client, source)) => {
                        let (link, seen) = self.links.link_for_source(source.ip());
                        connections.spawn(handle_connection(client, link, seen, self.server.clone()));
                    }
                    Err(_) => tokio::time::sleep(PAUSE).await,
                },
                () = tokio::time::sleep(PAUSE), if !refuses && listener.is_none() => {}
            }
        }
    }
}

async fn accept_or_wait(listener: Option<&TcpListener>) -> io::Result<(TcpStream, SocketAddr)> {
    match listener {
        Some(listener) => listener.accept().await,
        None => std::future::pending().await,
    }
}

async fn handle_connection(client: TcpStream, link: ProxyLink, source: Option<IpAddr>, server: Arc<str>) {
    let (number, _open) = link.count_connection();
    let begun: LinkSettings = *link.subscribe().borrow();
    if begun.gate != Gate::Open {
        link.count_broken_connection();
        return reset_on_drop(&client);
    }
    // While the link is held, the server does not learn of the connection.
    if wait_until_released(&link, Direction::ToServer, begun.resets).await.is_err() {
        return reset_on_drop(&client);
    }
    // This continues if connections are broken meanwhile: the server may have accepted the connection by then, and
    // must see a break and not an orderly end.
    match tokio::time::timeout(CONNECT_PATIENCE, connect_to_server(&server, source)).await {
        Ok(Ok(server)) => carry_connection(client, server, &link, begun, number).await,
        _ => reset_on_drop(&client),
    }
}

/// Makes the connection end with RST when it is dropped.
fn reset_on_drop(stream: &TcpStream) {
    // The call fails only if the socket is already gone.
    let _ = stream.set_zero_linger();
}

async fn connect_to_server(server: &str, source: Option<IpAddr>) -> io::Result<TcpStream> {
    let Some(source) = source else { return TcpStream::connect(server).await };
    let address = resolve_address(server).await?;
    let socket = if source.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.bind(SocketAddr::new(source, 0))?;
    socket.connect(address).await
}

async fn resolve_address(address: &str) -> io::Result<SocketAddr> {
    let mut found = tokio::net::lookup_host(address).await?;
    found.next().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("{address} is no address")))
}

/// Opens a socket at an address to which other sockets of this program may be bound too.
fn bind_shared(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}
