//! Keeps outward requests away from our own network: what is written into `tidewater.yaml`, and what a name resolves
//! to at the moment of the request, is looked at address by address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::{Ipv4Net, Ipv6Net};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// Whether an address lies in the public internet.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    // Not covered by the standard library's stable questions: "this" network, carrier-grade NAT, IETF assignments,
    // 6to4 relays, benchmarks, and the reserved top of the space.
    const CLOSED: &[(Ipv4Addr, u8)] = &[
        (Ipv4Addr::new(0, 0, 0, 0), 8),
        (Ipv4Addr::new(100, 64, 0, 0), 10),
        (Ipv4Addr::new(192, 0, 0, 0), 24),
        (Ipv4Addr::new(192, 88, 99, 0), 24),
        (Ipv4Addr::new(198, 18, 0, 0), 15),
        (Ipv4Addr::new(240, 0, 0, 0), 4),
    ];
    let is_closed = CLOSED.iter().any(|(net, bits)| Ipv4Net::new_assert(*net, *bits).contains(&address));
    !(is_closed
        || address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || address.is_broadcast())
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(inner) = v4_within(address) {
        return is_public_v4(inner);
    }
    // Only global unicast is public, less documentation and the assignments that reach elsewhere.
    let global = Ipv6Net::new_assert(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
    let special = [
        Ipv6Net::new_assert(Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
        Ipv6Net::new_assert(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
        Ipv6Net::new_assert(Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
    ];
    global.contains(&address) && !special.iter().any(|net| net.contains(&address))
}

/// The IPv4 address that a v4-mapped, v4-compatible, 6to4 or NAT64 address reaches.
fn v4_within(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let parts = address.segments();
    let join = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match parts {
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] => Some(join(high, low)),
        [0, 0, 0, 0, 0xffff, 0, high, low] => Some(join(high, low)),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(join(high, low)),
        [0x64, 0xff9b, 1, ..] => Some(Ipv4Addr::UNSPECIFIED),
        [0x2002, high, low, ..] => Some(join(high, low)),
        _ => None,
    }
}

/// Looks at an address before any request: its scheme, and its host where that is a number, which no resolver is
/// asked about.
///
/// # Errors
/// Why it is not to be called.
pub fn check_url(url: &str, allow_private_network: bool) -> Result<Url, String> {
    let parsed = Url::parse(url).map_err(|error| format!("`{url}` is no web address: {error}"))?;
    match (parsed.scheme(), allow_private_network) {
        ("https", _) | ("http", true) => {}
        ("http", false) => {
            return Err(
                "the address must begin with https:// (plain http:// is for `allow_private_network: true`)".to_owned()
            );
        }
        (other, _) => return Err(format!("`{other}:` addresses cannot be called")),
    }
    let literal = match parsed.host() {
        Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
        Some(Host::Domain(_)) => None,
        None => return Err("the address names no host".to_owned()),
    };
    match literal {
        Some(address) if !allow_private_network && !is_public(address) => Err(refused(&address.to_string())),
        _ => Ok(parsed),
    }
}

fn refused(what: &str) -> String {
    format!("{what} lies in a private network; if that is meant, set `allow_private_network: true` for the channel")
}

/// Resolves names and leaves out every address that is not public; a name that has no other is refused. The
/// connection goes to the very address that was looked at, so that a name cannot change its mind in between.
#[derive(Debug, Clone, Copy)]
pub struct GuardedResolver {
    pub allow_private_network: bool,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allow_private_network = self.allow_private_network;
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host.as_str(), 0)).await?.collect();
            let allowed: Vec<SocketAddr> =
                found.into_iter().filter(|address| allow_private_network || is_public(address.ip())).collect();
            if allowed.is_empty() {
                return Err(refused(&format!("`{host}`")).into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_spelling_of_an_inner_address_passes() {
        let inner = [
            "https://127.0.0.1/",
            "https://127.1/",
            "https://2130706433/",
            "https://0x7f000001/",
            "https://0177.0.0.1/",
            "https://0x7f.1/",
            "https://127.0.0.1./",
            "https://0/",
            "https://0.0.0.0/",
            "https://10.0.0.1/",
            "https://172.16.0.1/",
            "https://172.31.255.255/",
            "https://192.168.1.1/",
            "https://169.254.169.254/",
            "https://100.64.0.1/",
            "https://100.127.255.254/",
            "https://192.0.0.192/",
            "https://198.18.0.1/",
            "https://224.0.0.1/",
            "https://240.0.0.1/",
            "https://255.255.255.255/",
            "https://203.0.113.7/",
            "https://[::1]/",
            "https://[::]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[::ffff:7f00:1]/",
            "https://[::127.0.0.1]/",
            "https://[64:ff9b::7f00:1]/",
            "https://[64:ff9b::169.254.169.254]/",
            "https://[64:ff9b:1::1]/",
            "https://[2002:7f00:1::]/",
            "https://[2002:a9fe:a9fe::]/",
            "https://[fc00::1]/",
            "https://[fd12::1]/",
            "https://[fe80::1]/",
            "https://[ff02::1]/",
            "https://[2001:db8::1]/",
            "https://[2001::1]/",
            "https://[::ffff:0:127.0.0.1]/",
            "https://①②⑦.⓪.⓪.①/",
            "https://127。0。0。1/",
        ];
        for url in inner {
            assert!(check_url(url, false).is_err(), "{url} passed");
        }
        for url in ["http://example.com/", "ftp://example.com/", "file:///etc/passwd", "gopher://x/", "no address"] {
            assert!(check_url(url, false).is_err(), "{url} passed");
        }
    }

    #[test]
    fn public_addresses_pass_and_private_ones_where_they_are_meant() {
        for url in ["https://example.com/hook", "https://93.184.216.34/", "https://[2606:4700::1111]/"] {
            assert!(check_url(url, false).is_ok(), "{url}");
        }
        assert!(check_url("http://127.0.0.1:9000/hook", true).is_ok());
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_is_refused_when_it_is_resolved() {
        let name = || "localhost".parse::<Name>().unwrap();
        let refused = GuardedResolver { allow_private_network: false }.resolve(name()).await;
        assert!(refused.is_err());
        let allowed = GuardedResolver { allow_private_network: true }.resolve(name()).await;
        assert!(allowed.is_ok_and(|mut found| found.next().is_some()));
    }
}
