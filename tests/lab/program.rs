//! The program `lab`: starts the servers, says how to point things at them, and tells what
//! happens until it is stopped.

mod control;
mod objects;
mod options;
mod route;
mod sender_file;

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::broadcast::error::RecvError;

use super::{Event, Lab, Message};
pub use options::Options;
use route::Parts;
pub use route::RouteKind;

/// Runs until SIGINT or SIGTERM.
///
/// # Errors
/// When a port cannot be bound, or a file cannot be written.
pub async fn run(options: Options, out: &mut impl Write) -> anyhow::Result<()> {
    // before anything is said, so that who reads "ready" may already send a signal
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let lab = Arc::new(Lab::start(options.lab()).await?);
    options.faults.iter().for_each(|order| lab.order(order.clone()));
    let mut events = lab.events();

    // dropped at the end, and removed, unless a folder was named
    let temporary = match options.folder {
        Some(_) => None,
        None => Some(tempfile::TempDir::with_prefix("mail-egress-lab-").context("cannot make a folder")?),
    };
    let folder = options.folder.as_deref().or(temporary.as_ref().map(tempfile::TempDir::path));
    let folder = folder.context("there is no folder")?;
    let parts = options.parts(&lab)?;
    write_files(&lab, &options, &parts, folder)?;
    if let Some(messages) = &options.message_dir {
        std::fs::create_dir_all(messages)
            .with_context(|| format!("cannot make the folder {}", messages.display()))?;
    }
    let control = control::start(Arc::clone(&lab), options.control()).await?;
    introduce(&lab, &options, &parts, folder, control.address, out)?;

    let mut renewal = sender_file::keep(Arc::clone(&lab), options.sender(&parts), folder.to_owned());
    loop {
        tokio::select! {
            _ = interrupt.recv() => return Ok(()),
            _ = terminate.recv() => return Ok(()),
            Some(ended) = renewal.join_next() => ended.context("the renewal of sender.json broke")??,
            event = events.recv() => match event {
                Ok(event) => tell(&event, options.message_dir.as_deref(), out)?,
                Err(RecvError::Lagged(missed)) => writeln!(out, "… {missed} lines left out")?,
                Err(RecvError::Closed) => return Ok(()),
            },
        }
    }
}

fn write_files(lab: &Lab, options: &Options, parts: &Parts, folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let objects = objects::yaml(&options.objects(lab, parts));
    for (name, text) in [
        ("entra-ca.pem", lab.entra().ca_pem()),
        ("exchange-ca.pem", lab.exchange().ca_pem()),
        ("graph-ca.pem", lab.graph().ca_pem()),
        ("objects.yaml", objects.as_str()),
    ] {
        let path = folder.join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    sender_file::write(lab, &options.sender(parts), folder).map(|_lifetime| ())
}

fn introduce(
    lab: &Lab,
    options: &Options,
    parts: &Parts,
    folder: &Path,
    control: std::net::SocketAddr,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let folder = folder.display();
    writeln!(
        out,
        "# entra     {url} (also {by_ip}), authority {folder}/entra-ca.pem\n\
         # exchange  {host} port {port}, STARTTLS (port {tls_port}: TLS from the first octet), authority {folder}/exchange-ca.pem\n\
         # graph     {graph}, authority {folder}/graph-ca.pem\n\
         # sidecar   mail-egress-sidecar run --config {folder}/sender.json --sender lab/billing\n\
         # objects   {folder}/objects.yaml, to point an operator here:\n\n{objects}\n\
         # control   curl http://{control}/ says what it can do, for example\n\
         #           curl -d 'exchange:drop=after-dot' http://{control}/faults\n\
         # ready; Ctrl-C ends it",
        url = lab.entra().url(),
        by_ip = lab.entra().url_by_ip(),
        graph = lab.graph().url_by_ip(),
        host = options.advertised(),
        port = lab.exchange().address().port(),
        tls_port = lab.exchange().tls_address().port(),
        objects = objects::yaml(&options.objects(lab, parts)),
    )?;
    out.flush().context("cannot write to standard output")
}

fn tell(event: &Event, message_dir: Option<&Path>, out: &mut impl Write) -> anyhow::Result<()> {
    writeln!(out, "{}", printable(&event.to_string()))?;
    if let Event::MessageTaken(message) = event {
        for line in String::from_utf8_lossy(message.header_section()).lines() {
            writeln!(out, "    {}", printable(line))?;
        }
        if let Some(folder) = message_dir {
            let path = save(message, folder)?;
            writeln!(out, "    ({})", path.display())?;
        }
    }
    out.flush().context("cannot write to standard output")
}

fn save(message: &Message, folder: &Path) -> anyhow::Result<std::path::PathBuf> {
    let path = folder.join(format!("{:05}.eml", message.number));
    std::fs::write(&path, &message.content).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

/// What came from outside must not steer a terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use clap::{Parser, ValueEnum};

    use super::*;

    async fn lab(arguments: &[&str]) -> (Lab, Options) {
        let ports = ["lab", "--entra-port=0", "--exchange-port=0", "--graph-port=0", "--control-port=0"];
        let options = Options::try_parse_from(ports.iter().chain(arguments)).unwrap();
        (Lab::start(options.lab()).await.unwrap(), options)
    }

    #[tokio::test]
    async fn leaves_files_that_a_sidecar_can_read() {
        let (lab, options) = lab(&["--mailbox=a@x.test"]).await;
        let folder = tempfile::tempdir().unwrap();
        write_files(&lab, &options, &options.parts(&lab).unwrap(), folder.path()).unwrap();
        let sender = std::fs::read(folder.path().join("sender.json")).unwrap();
        let sender = mail_egress_config::parse(&sender).unwrap();
        assert_eq!(sender.mailbox, "a@x.test");
        assert!(sender.token.unwrap().expires_at > jiff::Timestamp::now());
        let Some(mail_egress_config::Route::ExchangeOnline(route)) = sender.route else { panic!("no route") };
        assert_eq!((route.host.as_str(), route.port), ("127.0.0.1", lab.exchange().address().port()));
        assert_eq!(route.ca_bundle.as_deref(), Some(lab.exchange().ca_pem()));
        let pem = std::fs::read_to_string(folder.path().join("entra-ca.pem")).unwrap();
        assert_eq!(pem, lab.entra().ca_pem());
    }

    #[tokio::test]
    async fn each_route_is_written_in_its_own_form() {
        for kind in RouteKind::value_variants() {
            let name = kind.to_possible_value().unwrap().get_name().to_owned();
            let (lab, options) = lab(&[&format!("--route={name}")]).await;
            let folder = tempfile::tempdir().unwrap();
            write_files(&lab, &options, &options.parts(&lab).unwrap(), folder.path()).unwrap();
            let sender = std::fs::read(folder.path().join("sender.json")).unwrap();
            let sender = mail_egress_config::parse(&sender).unwrap();
            let route = sender.route.unwrap();
            assert_eq!(sender.token.is_some(), route.uses_token(), "{name}");
            let objects = std::fs::read_to_string(folder.path().join("objects.yaml")).unwrap();
            assert!(objects.contains(&format!("  {}:\n", route.kind())), "{name}: {objects}");
        }
    }

    #[tokio::test]
    async fn says_where_everything_is() {
        let (lab, options) = lab(&["--advertise=lab.example"]).await;
        let mut out = Vec::new();
        let parts = options.parts(&lab).unwrap();
        introduce(&lab, &options, &parts, Path::new("/folder"), ([127, 0, 0, 1], 1).into(), &mut out)
            .unwrap();
        let out = String::from_utf8(out).unwrap();
        for expected in [
            format!("# exchange  lab.example port {}, STARTTLS", lab.exchange().address().port()),
            format!("loginURL: https://lab.example:{}", lab.entra().address().port()),
            "--config /folder/sender.json".to_owned(),
            "http://127.0.0.1:1/faults".to_owned(),
        ] {
            assert!(out.contains(&expected), "{expected} in {out}");
        }
        assert!(out.ends_with("# ready; Ctrl-C ends it\n"));
    }

    #[test]
    fn headers_cannot_steer_a_terminal() {
        assert_eq!(printable("Subject: \u{1b}[2J\u{7}é"), "Subject: \u{fffd}[2J\u{fffd}é");
    }
}
