//! Apps that send more than they may, and come back when they are told to, in simulated time.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use mail_egress_config::Limits;
use mail_egress_pacing::{Answer, Ask, GRACE, Later, Pacing, Slot, Turn};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const HOLD: Duration = Duration::from_secs(8);

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[derive(Debug)]
enum Event {
    Asks,
    Looks,
    Sends,
    Finishes,
}

#[derive(Debug, Default)]
struct Message {
    whom: u64,
    recipients: u32,
    /// How long from its slot until it is sent, and until the relay has answered.
    sending: Duration,
    answering: Duration,
    turn: Option<Turn>,
    slot: Option<Slot>,
    /// It came back within the grace of a promise.
    promised: bool,
    gives_up: bool,
    sent: Option<Instant>,
}

/// Everything that is sent passes by here, and is counted without regard to how it was paced.
struct World {
    pacing: Pacing,
    limits: Limits,
    start: Instant,
    now: Instant,
    events: BTreeMap<(Instant, u64), (usize, Event)>,
    number: u64,
    messages: Vec<Message>,
    log: VecDeque<(Instant, u32)>,
    busy: u32,
    /// How late somebody comes back, at most.
    late: Duration,
    /// Whether a promise may still turn out to wait for a connection for too long.
    strict: bool,
    refused: usize,
    random: StdRng,
}

impl World {
    fn new(limits: Limits, late: Duration, strict: bool, seed: u64) -> Self {
        let start = Instant::now();
        Self {
            pacing: Pacing::new(limits),
            limits,
            start,
            now: start,
            events: BTreeMap::new(),
            number: 0,
            messages: Vec::new(),
            log: VecDeque::new(),
            busy: 0,
            late,
            strict,
            refused: 0,
            random: StdRng::seed_from_u64(seed),
        }
    }

    fn at(&mut self, when: Instant, who: usize, event: Event) {
        self.number += 1;
        self.events.insert((when, self.number), (who, event));
    }

    fn arrives(&mut self, after: Duration, message: Message) {
        self.messages.push(message);
        self.at(self.start + after, self.messages.len() - 1, Event::Asks);
    }

    /// Until nothing happens any more; how long that took.
    fn run(&mut self) -> Duration {
        while let Some(((now, _), (who, event))) = self.events.pop_first() {
            self.now = now;
            self.happens(who, &event);
            while self.pacing.is_someone_called() {
                for who in 0..self.messages.len() {
                    self.looks(who);
                }
            }
        }
        self.now - self.start
    }

    fn happens(&mut self, who: usize, event: &Event) {
        match event {
            Event::Asks => {
                let ask = Ask {
                    whom: self.messages[who].whom,
                    recipients: self.messages[who].recipients,
                    hold: HOLD,
                };
                let answer = self.pacing.ask(ask, self.now);
                self.answered(who, answer);
            }
            Event::Looks => self.looks(who),
            Event::Sends => self.sends(who),
            Event::Finishes => {
                self.busy -= 1;
                let slot = self.messages[who].slot.take().unwrap();
                self.pacing.release(slot, self.now);
                self.pacing.succeeded(self.now);
            }
        }
    }

    fn looks(&mut self, who: usize) {
        if let Some(turn) = self.messages[who].turn.take() {
            let answer = self.pacing.look(turn, self.now);
            self.answered(who, answer);
        }
    }

    fn answered(&mut self, who: usize, answer: Answer) {
        match answer {
            Answer::Go(slot) => {
                self.busy += 1;
                assert!(
                    self.limits.connections.is_none_or(|limit| self.busy <= limit),
                    "too many connections"
                );
                self.messages[who].slot = Some(slot);
                self.at(self.now + self.messages[who].sending, who, Event::Sends);
            }
            Answer::Wait(turn) => {
                assert!(turn.until > self.now, "a wait that is over would spin");
                self.at(turn.until, who, Event::Looks);
                self.messages[who].turn = Some(turn);
            }
            Answer::Later(Later { at, promised, why }) => {
                self.refused += 1;
                assert!(at > self.now, "{why:?}");
                assert!(
                    !(self.strict && self.messages[who].promised),
                    "a promise was broken: {why:?} at {:?}, now until {:?}",
                    self.now - self.start,
                    at - self.start
                );
                self.messages[who].promised = promised;
                if !self.messages[who].gives_up {
                    let late = self.random.random_range(Duration::ZERO..self.late.max(ms(1)));
                    self.at(at + late, who, Event::Asks);
                }
            }
            Answer::TooManyRecipients { limit } => panic!("{limit}"),
        }
    }

    fn sends(&mut self, who: usize) {
        let now = self.now;
        let slot = self.messages[who].slot.as_ref().unwrap();
        self.pacing.sent(slot, now);
        self.messages[who].sent = Some(now);
        self.log.push_back((now, self.messages[who].recipients));
        let day = Duration::from_secs(24 * 60 * 60);
        while self.log.front().is_some_and(|(then, _)| *then + day <= now) {
            self.log.pop_front();
        }
        let minute =
            self.log.iter().rev().take_while(|(then, _)| *then + Duration::from_secs(60) > now).count();
        let hour = self.log.iter().rev().take_while(|(then, _)| *then + Duration::from_secs(3600) > now);
        let hour = hour.count();
        assert!(
            self.limits.messages_per_hour.is_none_or(|limit| hour <= limit as usize),
            "{hour} in an hour"
        );
        let recipients: u32 = self.log.iter().map(|(_, recipients)| recipients).sum();
        assert!(
            self.limits.messages_per_minute.is_none_or(|limit| minute <= limit as usize),
            "{minute} in a minute"
        );
        assert!(
            self.limits.recipients_per_day.is_none_or(|limit| recipients <= limit),
            "{recipients} in a day"
        );
        self.at(now + self.messages[who].answering, who, Event::Finishes);
    }
}

fn quick(whom: u64, recipients: u32) -> Message {
    Message { whom, recipients, sending: ms(200), answering: ms(300), ..Message::default() }
}

#[test]
fn fifty_at_once_all_go_within_two_minutes_at_the_times_that_they_were_told() {
    for alike in [true, false] {
        let mut world = World::new(Limits::EXCHANGE_ONLINE, Duration::ZERO, true, 0);
        for n in 0..50 {
            world.arrives(Duration::ZERO, quick(if alike { 0 } else { n }, 1));
        }
        let took = world.run();
        assert!(world.messages.iter().all(|message| message.sent.is_some()));
        assert!(took <= Duration::from_secs(120), "{took:?}");
        assert_eq!(world.refused, 20, "each is refused once at most");
    }
}

#[test]
fn fifty_at_once_without_a_limit_on_the_rate_are_never_refused() {
    let limits = Limits { messages_per_minute: None, ..Limits::EXCHANGE_ONLINE };
    let mut world = World::new(limits, Duration::ZERO, true, 0);
    for n in 0..50 {
        world.arrives(Duration::ZERO, Message { sending: ms(100), answering: ms(200), ..quick(n, 1) });
    }
    world.run();
    assert_eq!(world.refused, 0);
}

#[test]
fn five_at_a_limit_of_two_a_minute() {
    let limits = Limits { messages_per_minute: Some(2), ..Limits::EXCHANGE_ONLINE };
    let mut world = World::new(limits, Duration::ZERO, true, 0);
    for n in 0..5 {
        world.arrives(Duration::ZERO, quick(n, 1));
    }
    assert!(world.run() < Duration::from_secs(200));
}

#[test]
fn promises_hold_and_limits_too_whatever_comes() {
    for round in 0..8 {
        let seed = rand::rng().random();
        println!("round {round}: seed {seed}");
        let mut random = StdRng::seed_from_u64(seed);
        let limits = Limits {
            messages_per_minute: Some(random.random_range(1..=40)),
            messages_per_hour: random.random_bool(0.5).then(|| random.random_range(50..=200)),
            recipients_per_day: Some(random.random_range(300..=3000)),
            connections: Some(random.random_range(1..=4)),
            recipients_per_message: None,
        };
        // late by the whole grace, and nobody is slow: then no promise is ever broken
        let mut world = World::new(limits, GRACE, true, seed);
        for n in 0..150 {
            let after = ms(random.random_range(0..120_000));
            let recipients = if random.random_bool(0.1) { random.random_range(1..=300) } else { 1 };
            let (sending, answering) = (ms(random.random_range(0..50)), ms(random.random_range(0..50)));
            let gives_up = random.random_bool(0.2);
            world.arrives(after, Message { sending, answering, gives_up, ..quick(n, recipients) });
        }
        world.run();
        for message in &world.messages {
            assert!(message.sent.is_some() || message.gives_up, "seed {seed}: one never went");
        }
        assert_eq!((world.pacing.busy(), world.pacing.waiting()), (0, 0));
    }
}

#[test]
fn limits_hold_and_all_go_though_apps_and_relay_are_slow() {
    for round in 0..8 {
        let seed = rand::rng().random();
        println!("round {round}: seed {seed}");
        let mut random = StdRng::seed_from_u64(seed);
        let limits = Limits {
            messages_per_minute: Some(random.random_range(2..=40)),
            messages_per_hour: None,
            recipients_per_day: None,
            connections: Some(random.random_range(1..=4)),
            recipients_per_message: None,
        };
        let mut world = World::new(limits, Duration::from_secs(90), false, seed);
        for _ in 0..100 {
            let after = ms(random.random_range(0..60_000));
            let (sending, answering) =
                (ms(random.random_range(0..30_000)), ms(random.random_range(0..5_000)));
            world.arrives(after, Message { sending, answering, ..quick(random.random_range(0..10), 1) });
        }
        world.run();
        assert!(world.messages.iter().all(|message| message.sent.is_some()), "seed {seed}: one never went");
    }
}
