//! Debian's Postfix, which relays by password and STARTTLS to the lab: no packaged XOAUTH2 plugin
//! works with it. Its 250 means that the message is queued.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use anyhow::Result;
use tokio::process::Command;

use super::{Process, Relay, takes_mail};
use crate::bench::dialogue::Target;
use crate::bench::options::Options;
use crate::debian::{self, Wanted};
use crate::free_port::free_port;
use crate::lab::{DEFAULT_MAILBOX, Lab};
use crate::postfix;

/// Of the mailbox: no secret at all, it is published here.
const PASSWORD: &str = "bench-not-a-secret";
/// Cyrus SASL's mechanisms, LOGIN among them, for every architecture's folder.
const SASL: Wanted<'static> = ("/usr/share/doc/libsasl2-modules/copyright", "libsasl2-modules");

/// Untuned, but for the way out, and for messages of 25 MB.
const MAIN: &str = "\
myhostname = relay.bench.test
mydestination =
mynetworks = 127.0.0.0/8
message_size_limit = 36700160
relayhost = [127.0.0.1]:@PORT@
smtp_tls_security_level = verify
smtp_tls_verify_cert_match = @NAME@
smtp_tls_CAfile = @FOLDER@/etc/ca.pem
smtp_sasl_auth_enable = yes
smtp_sasl_password_maps = texthash:@FOLDER@/etc/password
smtp_sasl_security_options = noanonymous
smtp_sasl_mechanism_filter = login
";

/// Keeps connections to the relay host for further messages, TLS and login included.
const REUSE: &str = "\
smtp_connection_cache_destinations = [127.0.0.1]:@PORT@
smtp_tls_connection_reuse = yes
";

/// As Debian has them, without what only other mail needs, and none in a chroot.
const SERVICES: &str = "\
127.0.0.1:@LISTEN@ inet n - n - - smtpd
cleanup  unix       n - n -     0 cleanup
qmgr     unix       n - n 300   1 qmgr
tlsmgr   unix       - - n 1000? 1 tlsmgr
rewrite  unix       - - n -     - trivial-rewrite
bounce   unix       - - n -     0 bounce
defer    unix       - - n -     0 bounce
trace    unix       - - n -     0 bounce
proxymap unix       - - n -     - proxymap
smtp     unix       - - n -     - smtp
relay    unix       - - n -     - smtp
retry    unix       - - n -     - error
error    unix       - - n -     - error
anvil    unix       - - n -     1 anvil
scache   unix       - - n -     1 scache
tlsproxy unix       - - n -     0 tlsproxy
postlog  unix-dgram n - n -     1 postlogd
";

/// Installs what it needs.
pub(super) fn provide() -> Result<()> {
    debian::provide(&[postfix::PACKAGE, SASL])
}

/// Starts it with a queue of its own, and waits until it greets.
pub(super) async fn start(lab: &Lab, reuse: bool, options: &Options) -> Result<Relay> {
    let folder = options.folder("postfix")?;
    let (address, exchange) = (free_port()?, lab.exchange().address());
    lab.administer(|directory| {
        if let Some(mailbox) = directory.mailbox_mut(DEFAULT_MAILBOX) {
            mailbox.password = Some(PASSWORD.into());
        }
    });
    let fill = |text: &str| {
        text.replace("@PORT@", &exchange.port().to_string())
            .replace("@NAME@", lab.exchange().name())
            .replace("@LISTEN@", &address.port().to_string())
    };
    let main = fill(&if reuse { [MAIN, REUSE].concat() } else { MAIN.to_owned() });
    postfix::furnish(folder.path(), &main, &fill(SERVICES))?;
    let etc = folder.path().join("etc");
    fs::write(etc.join("ca.pem"), lab.exchange().ca_pem())?;
    fs::write(
        etc.join("password"),
        format!("[127.0.0.1]:{} {DEFAULT_MAILBOX}:{PASSWORD}\n", exchange.port()),
    )?;
    fs::set_permissions(etc.join("password"), fs::Permissions::from_mode(0o600))?;
    let output = fs::File::create(folder.path().join("output"))?;
    let mut master = Command::new(postfix::MASTER);
    master.args(postfix::FOREGROUND).arg(etc).stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
    // it ends its children when it is told to end, and they end by themselves when it is killed
    let process = Process { ends_itself: true, ..Process::start(master, folder)? };
    takes_mail(address, process.log("mail.log")).await?;
    Ok(Relay { target: Target::Relay { address, auth: None }, process: Some(process) })
}
