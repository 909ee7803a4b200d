//! The session towards the app.

mod drive;
mod framing;

use mail_egress_smtp::server::{BareLineEndings, Settings};

use self::drive::Run;
use crate::steering::{PAUSE, Steering};

/// Whatever an app sends, and whatever is decided meanwhile: replies are well formed, no octet of a
/// message is read as a command or the other way round, a message is handed out as it came and
/// within the limits, and all of it is the same however the input is cut.
///
/// Input: a line of choices (settings and whether a login is demanded, decisions, what happens at a pause), and then what the app
/// sends; `0x1e` is a pause, behind which it has read all replies.
pub fn session(input: &[u8]) {
    let (mut steering, wire) = Steering::split(input);
    let which = steering.below(8);
    let (settings, login) = (settings(which % 4), which >= 4);
    let mut whole = Run::new(settings.clone(), login, steering.clone());
    let mut one_by_one = Run::new(settings.clone(), login, steering.clone()).watched();
    let mut steered = Run::new(settings, login, steering.clone());
    for stretch in wire.split(|octet| *octet == PAUSE) {
        whole.give(&[stretch]);
        one_by_one.give(&stretch.chunks(1).collect::<Vec<_>>());
        steered.give(&steering.pieces(stretch));
        for run in [&mut whole, &mut one_by_one, &mut steered] {
            run.pause();
        }
        assert_eq!(one_by_one.seen(), whole.seen());
        assert_eq!(steered.seen(), whole.seen());
    }
}

/// The usual ones, and such as are soon reached. Only one thing can be wrong with a message at a
/// time: which of several is told does depend on the cut.
pub(crate) fn settings(which: usize) -> Settings {
    let usual = Settings {
        max_message_bytes: 100_000,
        postmaster_domain: Some("contoso.com".to_owned()),
        ..Settings::default()
    };
    match which {
        0 => usual,
        1 => Settings { max_message_bytes: 64, max_errors: 60, ..usual },
        2 => Settings {
            bare_line_endings: BareLineEndings::Refuse,
            max_recipients: 2,
            max_recipient_octets: 20,
            ..usual
        },
        _ => Settings {
            name: "no host name".to_owned(),
            max_text_line: 20,
            max_errors: 3,
            dsn: false,
            postmaster_domain: None,
            ..usual
        },
    }
}
