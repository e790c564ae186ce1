//! The kernel's queue of packets that user space decides on: the part of nfnetlink_queue that is needed here.
//!
//! It is a netlink socket. Three messages configure it. After that, each packet comes as a message with a number, and
//! passes or is dropped when a verdict with that number is sent, in any order and at any time. It is implemented here
//! because the existing crates cannot wait for a packet and for a time at once. The constants are those of
//! `linux/netfilter/nfnetlink_queue.h`.

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send, setsockopt,
    socket, sockopt,
};
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

const SUBSYSTEM: u16 = 3 << 8;
const PACKET: u16 = SUBSYSTEM;
const VERDICT: u16 = SUBSYSTEM | 1;
const CONFIG: u16 = SUBSYSTEM | 2;
const ERROR: u16 = 2;
const REQUEST: u16 = 1;
const ACKNOWLEDGE: u16 = 4;

const CONFIG_COMMAND: u16 = 1;
const CONFIG_PARAMETERS: u16 = 2;
const CONFIG_LENGTH_MAX: u16 = 3;
const CONFIG_MASK: u16 = 4;
const CONFIG_FLAGS: u16 = 5;
const PACKET_HEADER: u16 = 1;
const PACKET_PAYLOAD: u16 = 10;
const VERDICT_HEADER: u16 = 2;
const VERDICT_MARK: u16 = 3;
/// A verdict: the packet is dropped, goes on, or passes the rules again.
const DROP: u32 = 0;
const ACCEPT: u32 = 1;
const REPEAT: u32 = 4;

/// The mark of packets whose connection is to be broken by a firewall rule.
pub(super) const BREAK_MARK: u32 = 0x5f;

/// Take large segments as they are, instead of having the kernel split them.
const FLAG_LARGE_SEGMENTS: u32 = 4;
/// How many packets may wait for a verdict. Further packets are lost.
const WAITING_MAX: u32 = 1 << 16;
/// How many bytes of each packet are copied: the header with the addresses.
const COPIED_BYTES: u32 = 64;
/// The size of the socket's buffer, for messages that have not been received yet.
const SOCKET_BYTES: usize = 8 << 20;

const NETLINK_HEADER: usize = 16;
const QUEUE_HEADER: usize = 4;
const ATTRIBUTE_HEADER: usize = 4;

/// A packet that waits for a verdict.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Packet {
    /// The number of the packet.
    pub(super) id: u32,
    pub(super) from: Ipv4Addr,
    pub(super) to: Ipv4Addr,
    pub(super) bytes: u32,
    /// The ports of sender and receiver; zero if it is not TCP.
    pub(super) ports: (u16, u16),
    /// Whether it carries bytes of a TCP connection, and does not only open, acknowledge or end one.
    pub(super) has_payload: bool,
}

/// What becomes of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fate {
    GoesOn,
    IsLost,
    /// The packet is dropped, and the firewall answers its sender with a RST.
    BreaksConnection,
}

/// A queue that this process decides on. When it is dropped, waiting packets are lost, and later packets pass without
/// a decision.
#[derive(Debug)]
pub(super) struct PacketQueue {
    socket: OwnedFd,
    number: u16,
    buffer: Vec<u8>,
}

impl PacketQueue {
    /// Opens the queue of this number in the namespace of the calling thread.
    pub(super) fn open(number: u16) -> io::Result<Self> {
        let protocol = SockProtocol::NetlinkNetFilter;
        let socket = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol)?;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
        // A larger buffer only reduces losses. Without the privilege for it, the default size stays.
        let _ = setsockopt(&socket, sockopt::RcvBufForce, &SOCKET_BYTES);
        let mut queue = Self { socket, number, buffer: vec![0; 64 << 10] };
        queue.configure_attribute(CONFIG_COMMAND, &[1, 0, 0, 0])?;
        let mut parameters = COPIED_BYTES.to_be_bytes().to_vec();
        parameters.push(2);
        queue.configure_attribute(CONFIG_PARAMETERS, &parameters)?;
        queue.configure_attribute(CONFIG_LENGTH_MAX, &WAITING_MAX.to_be_bytes())?;
        let flags = FLAG_LARGE_SEGMENTS.to_be_bytes();
        let mut body = encode_attribute(CONFIG_FLAGS, &flags);
        body.extend(encode_attribute(CONFIG_MASK, &flags));
        queue.send_configuration(&body)?;
        Ok(queue)
    }

    /// Receives the packets that have arrived by now. Some may be missing, because the kernel drops packets that do
    /// not fit.
    pub(super) fn receive_packets(&mut self, packets: &mut Vec<Packet>) -> io::Result<()> {
        loop {
            match recv(self.socket.as_raw_fd(), &mut self.buffer, MsgFlags::MSG_DONTWAIT) {
                Ok(length) => packets.extend(split_messages(&self.buffer[..length]).filter_map(parse_packet)),
                Err(Errno::EAGAIN) => return Ok(()),
                Err(Errno::EINTR | Errno::ENOBUFS) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Sends the verdict on a packet. To break its connection, the packet passes the rules again with [`BREAK_MARK`], and a
    /// rule answers it with a RST.
    pub(super) fn send_verdict(&self, id: u32, fate: Fate) -> io::Result<()> {
        let verdict = match fate {
            Fate::GoesOn => ACCEPT,
            Fate::IsLost => DROP,
            Fate::BreaksConnection => REPEAT,
        };
        let header = [verdict.to_be_bytes(), id.to_be_bytes()].concat();
        let mut body = encode_attribute(VERDICT_HEADER, &header);
        if fate == Fate::BreaksConnection {
            body.extend(encode_attribute(VERDICT_MARK, &BREAK_MARK.to_be_bytes()));
        }
        self.send_message(VERDICT, REQUEST, &body)
    }

    fn configure_attribute(&mut self, kind: u16, value: &[u8]) -> io::Result<()> {
        self.send_configuration(&encode_attribute(kind, value))
    }

    /// Sends a configuration and waits for the kernel's answer.
    fn send_configuration(&mut self, body: &[u8]) -> io::Result<()> {
        self.send_message(CONFIG, REQUEST | ACKNOWLEDGE, body)?;
        loop {
            let length = recv(self.socket.as_raw_fd(), &mut self.buffer, MsgFlags::empty())?;
            let said = split_messages(&self.buffer[..length]).find(|(kind, _)| *kind == ERROR);
            if let Some((_, body)) = said {
                let code = body.first_chunk().map_or(0, |code| i32::from_ne_bytes(*code));
                return if code == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(-code)) };
            }
        }
    }

    fn send_message(&self, kind: u16, flags: u16, body: &[u8]) -> io::Result<()> {
        let length = (NETLINK_HEADER + QUEUE_HEADER + body.len()) as u32;
        let mut message = Vec::with_capacity(length as usize);
        message.extend(length.to_ne_bytes());
        message.extend(kind.to_ne_bytes());
        message.extend(flags.to_ne_bytes());
        // Sequence number and sender, which are not used; then family and version; then the queue.
        message.extend([0; 10]);
        message.extend(self.number.to_be_bytes());
        message.extend(body);
        send(self.socket.as_raw_fd(), &message, MsgFlags::empty())?;
        Ok(())
    }
}

impl AsFd for PacketQueue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Encodes an attribute, padded to a multiple of four bytes.
fn encode_attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = ATTRIBUTE_HEADER + value.len();
    let mut bytes = Vec::with_capacity(length.next_multiple_of(4));
    bytes.extend((length as u16).to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(length.next_multiple_of(4), 0);
    bytes
}

/// Splits received bytes into messages: kind and body.
fn split_messages(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = u32::from_ne_bytes(*bytes.first_chunk()?) as usize;
        let kind = u16::from_ne_bytes(*bytes.get(4..)?.first_chunk()?);
        let body = bytes.get(NETLINK_HEADER..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or(&[]);
        Some((kind, body))
    })
}

/// The packet in a message, if it is an IPv4 packet.
fn parse_packet((kind, body): (u16, &[u8])) -> Option<Packet> {
    if kind != PACKET {
        return None;
    }
    let (mut id, mut header) = (None, None);
    let mut rest = body.get(QUEUE_HEADER..)?;
    while let Some(length) = rest.first_chunk().map(|length| usize::from(u16::from_ne_bytes(*length))) {
        let kind = u16::from_ne_bytes(*rest.get(2..)?.first_chunk()?);
        let value = rest.get(ATTRIBUTE_HEADER..length)?;
        match kind {
            PACKET_HEADER => id = Some(u32::from_be_bytes(*value.first_chunk()?)),
            PACKET_PAYLOAD => header = Some(value),
            _ => {}
        }
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or(&[]);
    }
    let header = header?;
    let address = |at: usize| header.get(at..)?.first_chunk::<4>().map(|bytes| Ipv4Addr::from(*bytes));
    let bytes = u16::from_be_bytes(*header.get(2..)?.first_chunk()?);
    let (ports, has_payload) = parse_tcp(header, bytes).unwrap_or_default();
    let (from, to, bytes) = (address(12)?, address(16)?, u32::from(bytes));
    Some(Packet { id: id?, from, to, bytes, ports, has_payload })
}

/// The ports of a TCP packet, and whether it has a payload. A segment too large for IPv4's length field has a length of
/// zero there, and always a payload.
fn parse_tcp(header: &[u8], bytes: u16) -> Option<((u16, u16), bool)> {
    const TCP: u8 = 6;
    let of_ip = usize::from(header.first()? & 0xf) * 4;
    if *header.get(9)? != TCP {
        return None;
    }
    let number = |at: usize| header.get(at..)?.first_chunk().map(|bytes| u16::from_be_bytes(*bytes));
    let of_tcp = usize::from(header.get(of_ip + 12)? >> 4) * 4;
    Some(((number(of_ip)?, number(of_ip + 2)?), bytes == 0 || usize::from(bytes) > of_ip + of_tcp))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_read_from_its_message() {
        let mut header = vec![0x45, 0, 0x01, 0x02];
        header.extend([0, 0, 0, 0, 64, 6, 0, 0]);
        header.extend([127, 0, 0, 11, 127, 0, 0, 12]);
        header.extend([0x12, 0x34, 0, 80, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x18]);
        let mut body = vec![0; QUEUE_HEADER];
        body.extend(encode_attribute(PACKET_HEADER, &[0, 0, 0, 9, 8, 0, 1]));
        body.extend(encode_attribute(PACKET_PAYLOAD, &header));
        let mut bytes = ((NETLINK_HEADER + body.len()) as u32).to_ne_bytes().to_vec();
        bytes.extend(PACKET.to_ne_bytes());
        bytes.extend([0; 10]);
        bytes.extend(&body);
        let twice = [bytes.clone(), bytes].concat();
        let packets: Vec<Packet> = split_messages(&twice).filter_map(parse_packet).collect();
        let (from, to) = ([127, 0, 0, 11].into(), [127, 0, 0, 12].into());
        let ports = (0x1234, 80);
        assert_eq!(packets, [Packet { id: 9, from, to, bytes: 0x102, ports, has_payload: true }; 2]);
        // Twenty bytes of IPv4, thirty-two of TCP, and nothing after them: an acknowledgement.
        assert_eq!(parse_tcp(&header, 52), Some((ports, false)));
        assert_eq!(parse_tcp(&header, 0), Some((ports, true)));
        header[9] = 17;
        assert_eq!(parse_tcp(&header, 0x102), None);
    }

    #[test]
    fn what_is_cut_short_is_no_packet() {
        for length in 0..40 {
            let bytes = [1_u8; 40];
            assert_eq!(split_messages(&bytes[..length]).filter_map(parse_packet).count(), 0);
        }
    }
}
