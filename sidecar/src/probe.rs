//! The exec probes: one small HTTP request to the sidecar of the same pod.
//!
//! Done by the binary itself, so that a mesh which redirects the pod's inbound
//! traffic cannot break them, with nothing but std, so that a probe every few
//! seconds costs next to nothing.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use crate::args::Question;

/// For each of connecting, writing and reading; below a kubelet's patience with a probe.
const PATIENCE: Duration = Duration::from_millis(800);

/// More of an answer is not read.
const LONGEST: u64 = 4096;

/// Why a probe did not pass: the one line that `kubectl describe pod` shows.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// Nobody answers: it is not running, or its event loop stands still.
    #[error("no answer from {address}: {cause}")]
    NoAnswer {
        /// Where it was asked.
        address: SocketAddr,
        /// What went wrong.
        cause: io::Error,
    },
    /// It answered that it is not well, in these words.
    #[error("not {what}: {words}")]
    Refused {
        /// What was asked.
        what: &'static str,
        /// What it said.
        words: String,
    },
}

/// Asks; returns what the sidecar said.
pub fn ask(question: Question, admin: SocketAddr) -> Result<String, ProbeError> {
    let (path, what) = match question {
        Question::Startup => ("/startupz", "started"),
        Question::Live => ("/healthz", "alive"),
        Question::Ready => ("/readyz", "ready"),
    };
    let address = reachable(admin);
    let answer = request(address, path).map_err(|cause| ProbeError::NoAnswer { address, cause })?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).unwrap_or("no status");
    let words = mail_egress_diagnosis::words(body);
    match status {
        "200" => Ok(words),
        _ => Err(ProbeError::Refused { what, words: format!("{status} {words}") }),
    }
}

/// Where a server that listens on `admin` is reached from this host.
fn reachable(admin: SocketAddr) -> SocketAddr {
    let ip = match admin.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        // that listener takes IPv4 too, and is 0.0.0.0 where there is no IPv6
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, admin.port())
}

fn request(address: SocketAddr, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(LONGEST).read_to_end(&mut answer)?;
    if answer.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[cfg(test)]
mod tests {
    use std::io::BufRead;
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    fn server(answer: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            // to its end: a close with octets unread would reset the answer away
            let request = io::BufReader::new(&stream).lines();
            request.map_while(Result::ok).take_while(|line| !line.is_empty()).for_each(drop);
            stream.write_all(answer.as_bytes()).unwrap();
        });
        address
    }

    #[test]
    fn passes_on_200_and_repeats_the_words() {
        let admin = server("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nready\n");
        assert_eq!(ask(Question::Ready, admin).unwrap(), "ready");
    }

    #[test]
    fn a_refusal_is_one_line_with_the_reason() {
        let admin = server("HTTP/1.1 503 Service Unavailable\r\n\r\nthe sidecar\r\nis ending\n");
        let error = ask(Question::Ready, admin).unwrap_err();
        assert_eq!(error.to_string(), "not ready: 503 the sidecar is ending");
    }

    #[test]
    fn silence_ends_in_time() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let admin = silent.local_addr().unwrap();
        let began = std::time::Instant::now();
        let error = ask(Question::Live, admin).unwrap_err();
        assert!(error.to_string().starts_with("no answer from 127.0.0.1"), "{error}");
        assert!(began.elapsed() < Duration::from_secs(3));
    }

    #[test]
    fn a_closed_port_and_an_empty_answer_are_no_answer() {
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert!(matches!(ask(Question::Live, closed), Err(ProbeError::NoAnswer { .. })));
        assert!(matches!(ask(Question::Live, server("")), Err(ProbeError::NoAnswer { .. })));
    }

    #[test]
    fn an_unspecified_address_means_this_host() {
        let reached = |text: &str| reachable(text.parse().unwrap()).to_string();
        assert_eq!(reached("0.0.0.0:9587"), "127.0.0.1:9587");
        assert_eq!(reached("[::]:9587"), "127.0.0.1:9587");
        assert_eq!(reached("10.0.0.7:9587"), "10.0.0.7:9587");
    }
}
