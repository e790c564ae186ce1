//! Free ports for servers.
//!
//! A port that is free now may be taken when the server starts. A run opens many connections, and the kernel gives them ports
//! of one range. So servers get ports below that range, and each port is given out once.

use super::ServerError;
use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};

/// The lowest port that is given out.
const LOWEST: u32 = 10_000;
/// The lower end of the range of outgoing connections, if the kernel does not tell it.
const OUTGOING_USUAL: u32 = 32_768;
/// How many ports are tried below that range before the kernel chooses one.
const TRIES_MAX: u32 = 256;

/// How many ports have been tried by this process.
static TRIED: AtomicU32 = AtomicU32::new(0);

/// Finds a port at which nobody listens at this address.
///
/// # Errors
/// [`ServerError::System`] if no port can be bound at the address.
pub(crate) fn find_free_port(address: &str) -> Result<u16, ServerError> {
    let outgoing = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok();
    let outgoing = outgoing.and_then(|range| range.split_whitespace().next()?.parse().ok());
    let span = outgoing.unwrap_or(OUTGOING_USUAL).saturating_sub(LOWEST);
    // Several processes begin at different places.
    let start = std::process::id().wrapping_mul(TRIES_MAX);
    for _ in 0..TRIES_MAX.min(span) {
        let number = start.wrapping_add(TRIED.fetch_add(1, Ordering::Relaxed));
        let port = (LOWEST + number % span) as u16;
        if TcpListener::bind((address, port)).is_ok() {
            return Ok(port);
        }
    }
    let listener = TcpListener::bind((address, 0)).and_then(|listener| listener.local_addr());
    listener.map(|address| address.port()).map_err(|why| ServerError::System(format!("{address}: {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Sentinel did not start, because an outgoing connection had taken its port in the meantime.
    #[test]
    fn a_port_is_given_out_once_and_is_not_one_of_outgoing_connections() {
        let ports: Vec<u16> = (0..20).map(|_| find_free_port("127.0.0.1").expect("a port")).collect();
        let mut different = ports.clone();
        different.sort_unstable();
        different.dedup();
        assert_eq!(different.len(), ports.len(), "{ports:?}");
        let outgoing = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
        assert!(ports.iter().all(|&port| u32::from(port) >= LOWEST && port < outgoing.port()), "{ports:?}");
    }

    #[test]
    fn a_port_at_which_somebody_listens_is_passed_over() {
        let first = find_free_port("127.0.0.1").expect("a port");
        let next = TcpListener::bind(("127.0.0.1", first + 1));
        let second = find_free_port("127.0.0.1").expect("a port");
        assert!(next.is_err() || second != first + 1);
    }
}
