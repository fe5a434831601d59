//! The way out to addresses that somebody else has named: public ones only.
//!
//! Addresses are judged where a connection is made, after the name was resolved: a name that resolved to a public address
//! when it was written down, and to ours now, gets nowhere.

use std::{
    future::Future,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    pin::Pin,
    task::{Context, Poll},
    vec,
};

use http::Uri;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use tower_service::Service;

/// Resolves names; where only public addresses count, it knows no other.
#[derive(Clone)]
pub(crate) struct Resolver {
    system: GaiResolver,
    public_only: bool,
}

impl Resolver {
    pub(crate) fn new(public_only: bool) -> Self {
        Self { system: GaiResolver::new(), public_only }
    }
}

impl Service<Name> for Resolver {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.system.poll_ready(cx)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let (found, public_only) = (self.system.call(name), self.public_only);
        Box::pin(async move { only(public_only, found.await?) })
    }
}

/// The addresses that count. None is an error: the name leads nowhere that we go.
fn only(public_only: bool, found: impl Iterator<Item = SocketAddr>) -> io::Result<vec::IntoIter<SocketAddr>> {
    let counts: Vec<SocketAddr> = found.filter(|found| !public_only || is_public(found.ip())).collect();
    if counts.is_empty() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "the name has no public address"));
    }
    Ok(counts.into_iter())
}

/// Is the host an address itself? Such a one is never resolved.
pub(crate) fn is_literal(uri: &Uri) -> bool {
    uri.host().is_some_and(|host| host.starts_with('[') || host.parse::<IpAddr>().is_ok())
}

/// Does this address lead to the public internet, as the registries of special addresses have it (RFC 6890 and its
/// successors)? Not: ourselves, private and shared networks, the cloud's metadata, tunnels to any of these, documentation,
/// multicast, what is reserved.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    !matches!(
        address.octets(),
        [0 | 10 | 127, ..]
            | [100, 64..=127, ..]
            | [169, 254, ..]
            | [172, 16..=31, ..]
            | [192, 0, 0 | 2, _]
            | [192, 88, 99, _]
            | [192, 168, ..]
            | [198, 18 | 19, ..]
            | [198, 51, 100, _]
            | [203, 0, 113, _]
            | [224..=255, ..]
    )
}

/// Only what is given out (2000::/3), without what of it is special: protocols' own (Teredo among them), documentation, 6to4.
/// What embeds an IPv4 address is not worth the risk of reading it wrongly.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    (0x2000..0x4000).contains(&first)
        && !(first == 0x2001 && (second < 0x200 || second == 0xdb8))
        && first != 0x2002
        && !(first == 0x3fff && second < 0x1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_public_internet_and_nothing_else() {
        for public in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "52.94.76.1",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700:4700::1111",
            "2a05:d014::1",
            "2001:200::1",
            "2001:4860:4860::8888",
        ] {
            assert!(is_public(ip(public)), "{public}");
        }
        for private in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "169.254.170.2",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:10::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "3fff::1",
            "4000::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(ip(private)), "{private}");
        }
    }

    #[test]
    fn a_name_counts_for_its_public_addresses_only() {
        let found = ["10.0.0.1:0", "1.1.1.1:0", "[::1]:0", "[2606:4700::1]:0"].map(|text| text.parse().unwrap());
        let addresses = |public_only| only(public_only, found.into_iter()).unwrap().collect::<Vec<SocketAddr>>();
        assert_eq!(addresses(false), found);
        assert_eq!(addresses(true), [found[1], found[3]]);
        let error = only(true, [found[0], found[2]].into_iter()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    }

    #[test]
    fn hosts_that_are_addresses() {
        let literal = |uri: &'static str| is_literal(&Uri::from_static(uri));
        assert!(literal("https://1.1.1.1/") && literal("https://[::1]:443/") && literal("https://[2606:4700::1]/"));
        assert!(!literal("https://example.com/") && !literal("/1.1.1.1") && !literal("https://1.1.1.1.example/"));
    }
}
