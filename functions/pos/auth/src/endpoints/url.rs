//! Where an organization's webhooks may go. Whether a name leads to a public address is seen when it is called
//! ([`net::public`]); here is refused what never could.

use std::net::IpAddr;

use http::Uri;
use runtime::ApiError;

/// A URL as it is stored, or 400 that says what is wrong with it. `private` lets plain HTTP and addresses of one's own pass.
pub(super) fn valid_url(text: &str, private: bool) -> Result<String, ApiError> {
    let text = text.trim();
    check(text, private).map(|()| text.to_owned()).map_err(|reason| ApiError::invalid("url", reason))
}

fn check(text: &str, private: bool) -> Result<(), &'static str> {
    let uri: Uri = text.parse().map_err(|_| "must be a URL")?;
    let (scheme, Some(authority)) = (uri.scheme_str(), uri.authority()) else { return Err("must be an https URL") };
    if scheme != Some("https") && !(private && scheme == Some("http")) {
        return Err("must be an https URL");
    }
    if authority.as_str().contains('@') {
        return Err("must not have a user name or password");
    }
    if text.contains('#') {
        return Err("must not have a fragment");
    }
    let after_host = &authority.as_str()[authority.host().len()..];
    if !after_host.is_empty() && authority.port_u16().is_none_or(|port| port == 0) {
        return Err("must have a port from 1 to 65535, or none");
    }
    if !private && !is_name(authority.host()) {
        return Err("must have a public host name, not an address");
    }
    Ok(())
}

/// A name with a domain. One that ends in a number is an address in some spelling (127.1, 0x7f.1).
fn is_name(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let labels: Vec<&str> = host.split('.').collect();
    let last = labels.last().copied().unwrap_or_default();
    let is_label = |label: &&str| {
        (1..=63).contains(&label.len()) && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    host.len() <= 253
        && labels.len() >= 2
        && labels.iter().all(is_label)
        && host.parse::<IpAddr>().is_err()
        && last.starts_with(|c: char| c.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_names_by_https() {
        for good in [
            "https://example.com",
            "https://example.com/hook?key=a%20b&x=1",
            "https://hooks.example.co.uk:8443/",
            "https://xn--bcher-kva.example/",
            "https://example.com./",
            "https://a-b_c.example/",
        ] {
            assert_eq!(check(good, false), Ok(()), "{good}");
        }
        assert_eq!(valid_url(" https://example.com/ ", false).unwrap(), "https://example.com/");
        for bad in [
            "",
            "example.com",
            "/hook",
            "http://example.com/",
            "ftp://example.com/",
            "https://",
            "https:///hook",
            "https://user@example.com/",
            "https://user:secret@example.com/",
            "https://example.com@127.0.0.1/",
            "https://example.com/#part",
            "https://example.com:0/",
            "https://example.com:65536/",
            "https://example.com:/",
            "https://exa mple.com/",
            "https://bücher.example/",
            "https://localhost/",
            "https://intranet/",
            "https://127.0.0.1/",
            "https://1.1.1.1/",
            "https://127.1/",
            "https://2130706433/",
            "https://0x7f.0.0.1/",
            "https://0x7f000001/",
            "https://example.0x1/",
            "https://[::1]/",
            "https://[2606:4700::1]/",
            "https://example..com/",
            "https://.example.com/",
            "https://*.example.com/",
        ] {
            assert!(check(bad, false).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_local_cloud_goes_to_this_machine_too() {
        for good in ["http://127.0.0.1:8080/hook", "https://localhost/", "http://[::1]:80/", "http://example.com/"] {
            assert_eq!(check(good, true), Ok(()), "{good}");
        }
        for bad in ["ftp://127.0.0.1/", "http://a@127.0.0.1/", "http://127.0.0.1/#x", "http://127.0.0.1:99999/"] {
            assert!(check(bad, true).is_err(), "{bad}");
        }
    }
}
