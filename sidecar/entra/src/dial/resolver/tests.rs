//! Against a name server on loopback that answers as scripted.

use std::net::Ipv6Addr;
use std::time::Instant;

use hickory_resolver::config::ConnectionConfig;
use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::rdata::MX;
use hickory_resolver::proto::rr::{RData, Record};
use tokio::net::UdpSocket;

use super::*;

/// What the name server does with a query.
#[derive(Clone, Copy)]
enum Says {
    Address,
    Exchangers(&'static [(u16, &'static str)]),
    Code(ResponseCode),
    Nothing,
}

/// A resolver that knows `login.test` from its hosts file and asks this server for the rest.
async fn resolver(a: Says, aaaa: Says) -> Resolver {
    asking_one(move |asked| if asked == RecordType::A { a } else { aaaa }).await
}

async fn asking_one(says: impl Fn(RecordType) -> Says + Send + 'static) -> Resolver {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut connection = ConnectionConfig::udp();
    connection.port = socket.local_addr().unwrap().port();
    let mut server = NameServerConfig::udp(IpAddr::V4(Ipv4Addr::LOCALHOST));
    server.connections = vec![connection];
    tokio::spawn(async move {
        let mut packet = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut packet).await {
            let asked = Message::from_vec(&packet[..length]).unwrap();
            if let Some(answer) = answer(&asked, says(asked.queries[0].query_type())) {
                socket.send_to(&answer.to_vec().unwrap(), from).await.unwrap();
            }
        }
    });
    let mut hosts = Hosts::default();
    hosts.read_hosts_conf("127.0.0.9 login.test # the lab\n".as_bytes()).unwrap();
    Resolver::new(hosts, asking(vec![server])).unwrap()
}

#[tokio::test]
async fn a_name_with_a_dot_is_asked_for_as_it_is_before_the_search_list() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut connection = ConnectionConfig::udp();
    connection.port = socket.local_addr().unwrap().port();
    let mut server = NameServerConfig::udp(IpAddr::V4(Ipv4Addr::LOCALHOST));
    server.connections = vec![connection];
    let search = vec!["svc.cluster.local".parse().unwrap()];
    let config = ResolverConfig::from_parts(None, search, vec![server]);
    let mut pods = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    pods.options_mut().ndots = 5;
    let resolver = Resolver::new(Hosts::default(), pods).unwrap();
    let asking = tokio::spawn(async move { resolver.addresses(&peer("mx.test")).await });
    let mut packet = [0; 1500];
    let (length, _) = socket.recv_from(&mut packet).await.unwrap();
    let asked = Message::from_vec(&packet[..length]).unwrap();
    asking.abort();
    assert_eq!(asked.queries[0].name().to_string(), "mx.test.");
}

fn answer(asked: &Message, says: Says) -> Option<Message> {
    let query = &asked.queries[0];
    let mut answer = Message::response(asked.metadata.id, asked.metadata.op_code);
    answer.add_query(query.clone());
    match says {
        Says::Nothing => return None,
        Says::Code(code) => answer.metadata.response_code = code,
        Says::Exchangers(exchangers) => {
            for (preference, host) in exchangers {
                let mx = MX::new(*preference, host.parse().unwrap());
                answer.add_answer(Record::from_rdata(query.name().clone(), 60, RData::MX(mx)));
            }
        }
        Says::Address => {
            let data = match query.query_type() {
                RecordType::A => RData::A(Ipv4Addr::new(192, 0, 2, 1).into()),
                _ => RData::AAAA("2001:db8::1".parse::<Ipv6Addr>().unwrap().into()),
            };
            answer.add_answer(Record::from_rdata(query.name().clone(), 60, data));
        }
    }
    Some(answer)
}

async fn found(resolver: Resolver, host: &str) -> Result<Vec<String>, Fault> {
    let found = resolver.addresses(&peer(host)).await?;
    Ok(found.iter().map(ToString::to_string).collect())
}

#[tokio::test]
async fn asks_for_both_families() {
    let resolver = resolver(Says::Address, Says::Address).await;
    assert_eq!(found(resolver, "mx.test").await.unwrap(), ["192.0.2.1:587", "[2001:db8::1]:587"]);
}

#[tokio::test]
async fn a_name_server_that_drops_aaaa_queries_costs_a_moment() {
    let resolver = resolver(Says::Address, Says::Nothing).await;
    let asked = Instant::now();
    assert_eq!(found(resolver, "mx.test").await.unwrap(), ["192.0.2.1:587"]);
    assert!(asked.elapsed() < QUERY, "{:?}", asked.elapsed());
}

#[tokio::test]
async fn one_family_is_enough() {
    let none = Says::Code(ResponseCode::NoError);
    assert_eq!(found(resolver(Says::Address, none).await, "mx.test").await.unwrap(), ["192.0.2.1:587"]);
    assert_eq!(found(resolver(none, Says::Address).await, "mx.test").await.unwrap(), ["[2001:db8::1]:587"]);
    let broken = Says::Code(ResponseCode::ServFail);
    assert_eq!(found(resolver(Says::Address, broken).await, "mx.test").await.unwrap(), ["192.0.2.1:587"]);
}

#[tokio::test]
async fn a_name_that_does_not_exist_differs_from_a_name_server_in_trouble() {
    let unknown = Says::Code(ResponseCode::NXDomain);
    assert_eq!(found(resolver(unknown, unknown).await, "mx.test").await, Err(Fault::NameNotFound));
    let broken = Says::Code(ResponseCode::ServFail);
    let fault = found(resolver(broken, broken).await, "mx.test").await.unwrap_err();
    assert!(matches!(fault, Fault::NameServer(_)), "{fault}");
}

#[tokio::test]
async fn the_hosts_file_comes_first_and_for_both_families() {
    let resolver = resolver(Says::Nothing, Says::Nothing).await;
    assert_eq!(found(resolver, "LOGIN.test").await.unwrap(), ["127.0.0.9:587"]);
}

fn peer(host: &str) -> Peer {
    Peer { host: host.to_owned(), port: 587 }
}

#[tokio::test]
async fn an_address_needs_no_name_server() {
    let resolver = Resolver::system().unwrap();
    for (host, address) in [("127.0.0.1", "127.0.0.1:587"), ("::1", "[::1]:587")] {
        let found = resolver.addresses(&peer(host)).await.unwrap();
        assert_eq!(found, [address.parse().unwrap()]);
    }
}

#[tokio::test]
async fn localhost_needs_no_name_server() {
    let found = Resolver::system().unwrap().addresses(&peer("localhost")).await.unwrap();
    assert!(found.iter().all(|a| a.ip().is_loopback()) && !found.is_empty(), "{found:?}");
}

#[tokio::test]
async fn what_can_be_no_name_is_not_asked_for() {
    let long = "x".repeat(64);
    let found = Resolver::system().unwrap().addresses(&peer(&long)).await;
    assert_eq!(found, Err(Fault::NameNotFound));
}

#[test]
fn tries_both_families_in_turn_and_not_too_many() {
    let found: Vec<IpAddr> = ["::1", "::2", "1.1.1.1", "2.2.2.2", "3.3.3.3", "4.4.4.4", "5.5.5.5", "6.6.6.6"]
        .map(|a| a.parse().unwrap())
        .to_vec();
    let tried: Vec<String> = in_turn(&found).iter().map(ToString::to_string).collect();
    assert_eq!(tried, ["1.1.1.1", "::1", "2.2.2.2", "::2", "3.3.3.3", "4.4.4.4"]);
}

async fn exchangers(says: Says) -> Result<Vec<String>, Fault> {
    let found = asking_one(move |_| says).await.mail_exchangers("contoso.test").await?;
    Ok(found.into_iter().map(|it| format!("{} {}", it.preference, it.host)).collect())
}

#[tokio::test]
async fn exchangers_come_in_the_order_of_their_preference_and_as_names_are_compared() {
    let says = Says::Exchangers(&[(20, "b.test."), (10, "A.Test."), (10, "a.a.test.")]);
    assert_eq!(exchangers(says).await.unwrap(), ["10 a.a.test", "10 a.test", "20 b.test"]);
}

#[tokio::test]
async fn a_domain_that_takes_no_mail_differs_from_one_that_does_not_say() {
    assert_eq!(exchangers(Says::Exchangers(&[(0, ".")])).await, Err(Fault::Mx(MxTrouble::Null)));
    assert_eq!(exchangers(Says::Code(ResponseCode::NoError)).await, Err(Fault::Mx(MxTrouble::Missing)));
    assert_eq!(exchangers(Says::Code(ResponseCode::NXDomain)).await, Err(Fault::Mx(MxTrouble::Missing)));
    let broken = exchangers(Says::Code(ResponseCode::ServFail)).await;
    assert!(matches!(broken, Err(Fault::NameServer(_))), "{broken:?}");
}

#[tokio::test]
async fn a_zone_without_end_is_cut() {
    const MANY: [(u16, &str); EXCHANGERS + 4] = [(1, "a.test."); EXCHANGERS + 4];
    assert_eq!(exchangers(Says::Exchangers(&MANY)).await.unwrap().len(), EXCHANGERS);
}

#[tokio::test]
async fn a_null_mx_beside_others_is_passed_over_by_whoever_looks_for_a_host() {
    let says = Says::Exchangers(&[(0, "."), (10, "a.mail.protection.outlook.com.")]);
    let found = asking_one(move |_| says).await.mail_exchangers("contoso.test").await.unwrap();
    assert_eq!(crate::dial::believed(&found), Ok("a.mail.protection.outlook.com"));
}
