//! Cloudinary's signatures: SHA-1 over the sorted parameters and the secret. The algorithm is the protocol's; what it
//! protects is who may put pictures where, for an hour.

use domain::ids::OrgId;
use hmac::{Hmac, KeyInit, Mac};
use runtime::ApiError;
use sha1::{Digest, Sha1};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// Seconds that a signature is good for, to either side of the clock.
const VALID_SECONDS: u64 = 3600;

/// At most 1920 × 1080, quality and format chosen automatically (contract §11). It is signed, as the client expects; the
/// picture is stored as it came.
pub(super) const TRANSFORMATION: &str = "c_limit,h_1080,w_1920/f_auto,q_auto";

/// The secret of an organization's signatures, in hex.
pub(super) fn secret_of(secret: &str, org: OrgId) -> Result<String, ApiError> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).map_err(ApiError::internal)?;
    mac.update(format!("upload\0{org}").as_bytes());
    Ok(hex::encode(mac.finalize().into_bytes()))
}

/// The parameters that a signature covers.
pub(super) struct Signed<'a> {
    pub(super) folder: &'a str,
    /// Unix seconds.
    pub(super) timestamp: i64,
    pub(super) transformation: &'a str,
}

impl Signed<'_> {
    pub(super) fn signature(&self, secret: &str) -> String {
        let Signed { folder, timestamp, transformation } = self;
        let text = format!("folder={folder}&timestamp={timestamp}&transformation={transformation}{secret}");
        hex::encode(Sha1::digest(text))
    }

    /// Was it signed with this secret, not long ago?
    pub(super) fn is_by(&self, secret: &str, signature: &str, now: i64) -> bool {
        let expected = self.signature(secret);
        let same: bool = expected.as_bytes().ct_eq(signature.trim().to_ascii_lowercase().as_bytes()).into();
        same && self.timestamp.abs_diff(now) <= VALID_SECONDS
    }
}

/// 400 unless the folder is a plain path.
pub(super) fn check_folder(folder: &str) -> Result<(), ApiError> {
    let plain = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
    };
    if folder.len() <= 200 && folder.split('/').all(plain) {
        return Ok(());
    }
    Err(ApiError::invalid("folder", "must be at most 200 of the characters A-Z a-z 0-9 / _ -, without empty parts"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_cloudinary_s() {
        let signed = Signed { folder: "f", timestamp: 1_800_000_000, transformation: "t" };
        let expected = hex::encode(Sha1::digest("folder=f&timestamp=1800000000&transformation=tabcd"));
        assert_eq!(signed.signature("abcd"), expected);
    }

    #[test]
    fn a_signature_is_for_its_parameters_its_organization_and_its_hour() {
        let (own, other) = (OrgId::from_random([1; 16]), OrgId::from_random([2; 16]));
        let secret = secret_of("secret", own).unwrap();
        let now = 1_800_000_000;
        let signed = Signed { folder: "f", timestamp: now, transformation: TRANSFORMATION };
        let signature = signed.signature(&secret);
        assert!(signed.is_by(&secret, &signature.to_uppercase(), now + 3600));
        assert!(!signed.is_by(&secret, &signature, now + 3601));
        assert!(!signed.is_by(&secret, &signature, now - 3601));
        assert!(!signed.is_by(&secret_of("secret", other).unwrap(), &signature, now));
        assert!(!signed.is_by(&secret, "", now));
        assert!(!Signed { folder: "g", ..signed }.is_by(&secret, &signature, now));
        let forever = Signed { folder: "f", timestamp: i64::MIN, transformation: "" };
        assert!(!forever.is_by(&secret, &forever.signature(&secret), i64::MAX));
    }

    #[test]
    fn folders() {
        for good in ["home-productions/uploads", "a", "A_1/b-2"] {
            assert!(check_folder(good).is_ok(), "{good}");
        }
        for bad in ["", "/a", "a/", "a//b", "..", "a/../b", "a b", "a.b", "ä", &"x".repeat(201)] {
            assert!(check_folder(bad).is_err(), "{bad}");
        }
    }
}
