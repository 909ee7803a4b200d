//! A port for a program that takes a number and tells none.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::ops::Range;

use rand::Rng;

/// Below those that the kernel gives to whoever asks for any port (32768 and more, unless it was told
/// otherwise): between the look and the program's own bind, no other test's connection or listener
/// gets it.
const PORTS: Range<u16> = 10_000..32_768;
/// So many tries find one where nearly all are taken.
const TRIES: usize = 1_000;

/// An address on loopback where nobody listened a moment ago.
///
/// # Errors
/// When none is found.
pub fn free_port() -> io::Result<SocketAddr> {
    let mut random = rand::rng();
    let mut last = io::Error::other("no port was tried");
    for _ in 0..TRIES {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, random.random_range(PORTS))) {
            Ok(listener) => return listener.local_addr(),
            Err(error) => last = error,
        }
    }
    Err(last)
}
