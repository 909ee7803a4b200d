//! An app that speaks SMTP word by word.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longer than anything here takes; a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct App {
    stream: BufReader<TcpStream>,
}

impl App {
    /// Connects and reads the greeting.
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let mut app = Self::connect_unheard(address).await;
        assert!(app.reply().await.starts_with("220 "));
        app
    }

    /// Connects, greets, and names sender and recipient: what is left is DATA.
    pub(crate) async fn with_envelope(address: SocketAddr) -> Self {
        let mut app = Self::connect(address).await;
        app.say("EHLO app").await;
        app.say("MAIL FROM:<billing@contoso.com>").await;
        app.say("RCPT TO:<ann@example.com>").await;
        app
    }

    pub(crate) async fn connect_unheard(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        Self { stream: BufReader::new(stream) }
    }

    pub(crate) async fn write(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// One command, one reply; its lines joined by `\n`.
    pub(crate) async fn say(&mut self, command: &str) -> String {
        self.write(&format!("{command}\r\n")).await;
        self.reply().await
    }

    /// DATA, and if it may, the message and its dot.
    pub(crate) async fn send(&mut self, message: &str) -> String {
        let answer = self.say("DATA").await;
        if !answer.starts_with("354 ") {
            return answer;
        }
        self.write(&format!("{message}.\r\n")).await;
        self.reply().await
    }

    pub(crate) async fn reply(&mut self) -> String {
        timeout(PATIENCE, self.reply_some_day()).await.expect("no reply in time")
    }

    /// For tests that set the clock forward.
    pub(crate) async fn reply_some_day(&mut self) -> String {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).await.unwrap();
            let last = line.as_bytes().get(3) != Some(&b'-');
            lines.push(line.trim_end().to_owned());
            if last {
                return lines.join("\n");
            }
        }
    }

    /// Ends its sending half, as a script does that pipes into a socket.
    pub(crate) async fn close_half(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    /// Whether the other side has closed.
    pub(crate) async fn is_closed(&mut self) -> bool {
        let mut rest = String::new();
        timeout(PATIENCE, self.stream.read_line(&mut rest)).await.expect("not closed in time").unwrap_or(0)
            == 0
    }
}
