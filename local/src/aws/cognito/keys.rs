//! The RSA key that signs all tokens, and the key set that verifies them.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::aws::disk::{self, Data};
use crate::aws::wire::Fault;

/// A key in the making. Finding one takes a tenth of a second or several, so that nobody waits for it before the first token.
pub(super) struct Keys {
    data: Data,
    key: OnceLock<Result<RsaKeyPair, String>>,
}

/// The key of everything that is kept in memory only: a test binary starts many clouds, and makes one key.
static IN_MEMORY: OnceLock<Arc<Keys>> = OnceLock::new();

impl Keys {
    /// Begins to read or make the key.
    pub fn start(data: &Data) -> Arc<Self> {
        let fresh = || Arc::new(Self { data: data.clone(), key: OnceLock::new() });
        let keys = match data {
            Data::Memory => IN_MEMORY.get_or_init(fresh).clone(),
            Data::Dir(_) => fresh(),
        };
        let ahead = keys.clone();
        // A thread of its own: a runtime that is dropped early must not wait for it.
        std::thread::spawn(move || ahead.key().is_ok());
        keys
    }

    fn key(&self) -> Result<&RsaKeyPair, Fault> {
        let key = self.key.get_or_init(|| load(&self.data).map_err(|error| format!("{error:#}")));
        key.as_ref().map_err(Fault::internal)
    }

    /// A JWT over the claims.
    pub fn sign(&self, claims: &Value) -> Result<String, Fault> {
        let key = self.key()?;
        let header = json!({"kid": kid(key), "alg": "RS256"});
        let signed = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
        let mut signature = vec![0; key.public_modulus_len()];
        key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .map_err(Fault::internal)?;
        Ok(format!("{signed}.{}", encode(signature)))
    }

    /// The claims of a token that was signed by this key; None for any other.
    pub fn verify(&self, token: &str) -> Option<Value> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (_, claims) = signed.split_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, self.key().ok()?.public_key().as_ref());
        public.verify(signed.as_bytes(), &signature).ok()?;
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
    }

    /// The key set. AWS has two keys, one for each kind of token; here one does for both.
    pub fn jwks(&self) -> Result<Value, Fault> {
        let key = self.key()?;
        let public = key.public_key();
        let number = |bytes: &[u8]| encode(bytes);
        let (n, e) = (public.modulus(), public.exponent());
        Ok(json!({"keys": [{
            "kid": kid(key),
            "alg": "RS256",
            "kty": "RSA",
            "use": "sig",
            "n": number(n.big_endian_without_leading_zero()),
            "e": number(e.big_endian_without_leading_zero()),
        }]}))
    }
}

/// The key's id: a hash of its public part, as long as Cognito's.
fn kid(key: &RsaKeyPair) -> String {
    base64::engine::general_purpose::STANDARD.encode(Sha256::digest(key.public_key().as_ref()))
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads the key of the data directory, or makes one and writes it there: tokens outlive a restart.
fn load(data: &Data) -> anyhow::Result<RsaKeyPair> {
    let file = data.path("cognito.key");
    if let Some(file) = file.as_deref().filter(|file| file.exists()) {
        return read(file);
    }
    let key = RsaKeyPair::generate(KeySize::Rsa2048)?;
    if let Some(file) = file {
        disk::replace(&file, key.as_der()?.as_ref())?;
    }
    Ok(key)
}

fn read(file: &Path) -> anyhow::Result<RsaKeyPair> {
    RsaKeyPair::from_pkcs8(&std::fs::read(file)?).map_err(|error| anyhow::anyhow!("{}: {error}", file.display()))
}
