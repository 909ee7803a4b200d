//! Debian's Postfix in a folder of its own: configuration, queue and log lie there, and those of the
//! machine are neither read nor written.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use nix::unistd::{User, chown};

use crate::debian::Wanted;

/// Where it comes from.
pub const PACKAGE: Wanted<'static> = (MASTER, "postfix");

/// What runs it, until SIGTERM, in the foreground with [`FOREGROUND`] and its `etc`: not
/// `postfix start-fg`, whose shell would stand between it and us.
pub const MASTER: &str = "/usr/lib/postfix/sbin/master";
/// The flags for that.
pub const FOREGROUND: [&str; 2] = ["-s", "-c"];

/// What makes it live in its folder; what it is to do comes behind.
const MAIN: &str = "\
compatibility_level = 3.6
queue_directory = @FOLDER@/queue
data_directory = @FOLDER@/data
maillog_file = @FOLDER@/mail.log
maillog_file_prefixes = @FOLDER@
mail_owner = postfix
setgid_group = postdrop
daemon_directory = /usr/lib/postfix/sbin
command_directory = /usr/sbin
sendmail_path = /bin/false
newaliases_path = /bin/false
mailq_path = /bin/false
html_directory = no
manpage_directory = /nowhere
sample_directory = /nowhere
readme_directory = no
alias_maps =
alias_database =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
";

/// Furnishes the folder: `etc` with main.cf and master.cf, whose texts are `main` and `services` with
/// `@FOLDER@` for the folder, and what Postfix keeps. Needs root, as Postfix does.
///
/// # Errors
/// When the folder cannot be written, or Postfix does not like what it finds there.
pub fn furnish(folder: &Path, main: &str, services: &str) -> Result<()> {
    // its processes are another user's
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
    let etc = folder.join("etc");
    for name in ["etc", "queue", "data"] {
        fs::create_dir_all(folder.join(name))?;
    }
    let owner = User::from_name("postfix")?.context("there is no user postfix")?;
    chown(&folder.join("data"), Some(owner.uid), None)?;
    let path = folder.to_str().context("the folder's name is no text")?;
    for (name, text) in [("main.cf", [MAIN, main].concat()), ("master.cf", services.to_owned())] {
        fs::write(etc.join(name), text.replace("@FOLDER@", path))?;
    }
    let checked = Command::new("postfix").arg("-c").arg(&etc).arg("check").stdin(Stdio::null()).output();
    let checked = checked.context("postfix cannot be started")?;
    ensure!(checked.status.success(), "postfix check: {}", String::from_utf8_lossy(&checked.stderr));
    Ok(())
}
