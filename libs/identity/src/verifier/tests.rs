use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex as StdMutex};

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::EncodingKey;
use jsonwebtoken::jwk::Jwk;
use serde_json::{Value, json};

use super::*;
use jiff::SignedDuration;

const ISSUER: &str = "https://issuer.test/pool";
const CLIENT: &str = "client";
const SUB: &str = "8c2a9b52-2f0a-4a43-a1d6-0f7be5f3a111";

/// Two keys are enough for all tests, and slow to make.
static KEYS: LazyLock<[EncodingKey; 2]> = LazyLock::new(|| [(); 2].map(|()| rsa_key()));

fn rsa_key() -> EncodingKey {
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    // `from_rsa_der` takes PKCS #1 alone; a PEM may hold PKCS #8, which is what this library writes.
    let pkcs8 = STANDARD.encode(pair.as_der().unwrap().as_ref());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{pkcs8}\n-----END PRIVATE KEY-----\n");
    EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap()
}

fn jwk(key: &EncodingKey, kid: &str) -> Value {
    let mut jwk = serde_json::to_value(Jwk::from_encoding_key(key, Algorithm::RS256).unwrap()).unwrap();
    jwk["kid"] = kid.into();
    jwk["use"] = "sig".into();
    jwk
}

fn now() -> Timestamp {
    Timestamp::from_second(1_790_000_000).unwrap()
}

fn seconds(seconds: i64) -> SignedDuration {
    SignedDuration::from_secs(seconds)
}

fn access_token() -> Value {
    json!({
        "iss": ISSUER, "token_use": "access", "client_id": CLIENT, "sub": SUB, "username": SUB,
        "cognito:groups": ["admin"], "iat": now().as_second(), "exp": now().as_second() + 900,
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = access_token();
    claims[name] = value;
    claims
}

fn sign(claims: &Value, kid: &str, key: &EncodingKey, algorithm: Algorithm) -> String {
    let mut header = jsonwebtoken::Header::new(algorithm);
    header.kid = Some(kid.to_owned());
    jsonwebtoken::encode(&header, claims, key).unwrap()
}

fn signed(claims: &Value) -> String {
    sign(claims, "one", &KEYS[0], Algorithm::RS256)
}

/// An issuer on a port of this machine, which serves what `answer` holds and counts how often it is asked.
struct Issuer {
    answer: StdMutex<(StatusCode, String)>,
    asked: AtomicUsize,
    url: String,
}

impl Issuer {
    async fn start(keys: &[Value]) -> Arc<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = Arc::new(Self {
            answer: StdMutex::new((StatusCode::OK, json!({ "keys": keys }).to_string())),
            asked: AtomicUsize::new(0),
            url: format!("http://{}/jwks.json", listener.local_addr().unwrap()),
        });
        let served = issuer.clone();
        let answer = move || {
            served.asked.fetch_add(1, Ordering::SeqCst);
            let answer = served.answer.lock().unwrap().clone();
            async move { answer }
        };
        let routes = axum::Router::new().route("/jwks.json", axum::routing::get(answer));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        issuer
    }

    fn serve(&self, status: StatusCode, body: String) {
        *self.answer.lock().unwrap() = (status, body);
    }

    fn serve_keys(&self, keys: &[Value]) {
        self.serve(StatusCode::OK, json!({ "keys": keys }).to_string());
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn verifier(&self) -> TokenVerifier {
        TokenVerifier::new(ISSUER, CLIENT, &self.url)
    }
}

async fn one_key() -> Arc<Issuer> {
    Issuer::start(&[jwk(&KEYS[0], "one")]).await
}

#[tokio::test]
async fn a_good_token_gives_its_claims() {
    let verifier = one_key().await.verifier();
    let claims = verifier.verify(&format!("Bearer {}", signed(&access_token())), now()).await.unwrap();
    assert_eq!(claims.sub.to_string(), SUB);
    assert_eq!(claims.username, SUB);
    assert_eq!(claims.groups, ["admin"]);
    assert_eq!(claims.client_id, CLIENT);
    assert_eq!(claims.exp - claims.iat, 900);
}

#[tokio::test]
async fn each_thing_that_can_be_wrong_has_its_answer() {
    let verifier = one_key().await.verifier();
    let rs256 = |claims: Value| signed(&claims);
    let secret = EncodingKey::from_secret(b"a public key used as an HMAC secret");
    let mut without_client = access_token();
    without_client.as_object_mut().unwrap().remove("client_id");
    let mut without_expiry = access_token();
    without_expiry.as_object_mut().unwrap().remove("exp");
    let (content, _) = signed(&access_token()).rsplit_once('.').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let none = {
        let encode = |json: Value| URL_SAFE_NO_PAD.encode(json.to_string());
        format!("{}.{}.", encode(json!({ "alg": "none", "kid": "one" })), encode(access_token()))
    };
    let other_content = {
        let other = rs256(with("cognito:groups", json!(["superadmin"])));
        let (_, signature) = other.rsplit_once('.').unwrap();
        format!("{content}.{signature}")
    };
    let cases = [
        ("nothing", String::new(), TokenError::Missing),
        ("scheme alone", "Bearer ".to_owned(), TokenError::Missing),
        ("words", "Bearer not a token".to_owned(), TokenError::Malformed),
        ("no dots", "token".to_owned(), TokenError::Malformed),
        ("no JSON", "a.b.c".to_owned(), TokenError::Malformed),
        ("no signature", content.clone(), TokenError::Malformed),
        ("alg none", none, TokenError::WrongAlgorithm),
        ("HS256", sign(&access_token(), "one", &secret, Algorithm::HS256), TokenError::WrongAlgorithm),
        ("RS512", sign(&access_token(), "one", &KEYS[0], Algorithm::RS512), TokenError::WrongAlgorithm),
        ("empty signature", format!("{content}."), TokenError::BadSignature),
        ("other content", other_content, TokenError::BadSignature),
        ("other key", sign(&access_token(), "one", &KEYS[1], Algorithm::RS256), TokenError::BadSignature),
        ("unknown key", sign(&access_token(), "two", &KEYS[1], Algorithm::RS256), TokenError::UnknownKey),
        ("issuer", rs256(with("iss", json!("https://issuer.test/other"))), TokenError::WrongIssuer),
        ("ID token", rs256(with("token_use", json!("id"))), TokenError::WrongUse),
        ("client", rs256(with("client_id", json!("other"))), TokenError::WrongClient),
        ("no client", rs256(without_client), TokenError::WrongClient),
        ("expired", rs256(with("exp", json!(now().as_second() - LEEWAY))), TokenError::Expired),
        ("no expiry", rs256(without_expiry), TokenError::Malformed),
        ("no UUID", rs256(with("sub", json!("admin"))), TokenError::Malformed),
    ];
    for (case, token, expected) in cases {
        assert_eq!(verifier.verify(&token, now()).await, Err(expected), "{case}");
    }
    // A clock that is a little ahead refuses nobody.
    let just_expired = rs256(with("exp", json!(now().as_second() - LEEWAY + 1)));
    assert!(verifier.verify(&just_expired, now()).await.is_ok());
}

#[tokio::test]
async fn keys_are_fetched_once_for_many_at_once() {
    let issuer = one_key().await;
    let verifier = Arc::new(issuer.verifier());
    let calls: Vec<_> = (0..50)
        .map(|_| {
            let verifier = verifier.clone();
            tokio::spawn(async move { verifier.verify(&signed(&access_token()), now()).await })
        })
        .collect();
    for call in calls {
        assert!(call.await.unwrap().is_ok());
    }
    assert_eq!(issuer.asked(), 1);
}

#[tokio::test]
async fn a_flood_of_unknown_keys_does_not_reach_the_issuer() {
    let issuer = one_key().await;
    let verifier = issuer.verifier();
    for flood in 0..100 {
        let token = sign(&access_token(), &format!("kid-{flood}"), &KEYS[1], Algorithm::RS256);
        assert_eq!(verifier.verify(&token, now()).await, Err(TokenError::UnknownKey));
    }
    assert!(verifier.verify(&signed(&access_token()), now()).await.is_ok());
    assert_eq!(issuer.asked(), 1);
}

#[tokio::test]
async fn a_new_key_is_found_after_half_a_minute() {
    let issuer = one_key().await;
    let verifier = issuer.verifier();
    let token = sign(&access_token(), "two", &KEYS[1], Algorithm::RS256);
    assert_eq!(verifier.verify(&token, now()).await, Err(TokenError::UnknownKey));
    issuer.serve_keys(&[jwk(&KEYS[0], "one"), jwk(&KEYS[1], "two")]);
    assert_eq!(verifier.verify(&token, now() + seconds(29)).await, Err(TokenError::UnknownKey));
    assert!(verifier.verify(&token, now() + seconds(30)).await.is_ok());
    assert_eq!(issuer.asked(), 2);
}

#[tokio::test]
async fn a_withdrawn_key_is_dropped_and_an_outage_drops_none() {
    let issuer = one_key().await;
    let verifier = issuer.verifier();
    let token = signed(&with("exp", json!(now().as_second() + 100_000)));
    assert!(verifier.verify(&token, now()).await.is_ok());
    issuer.serve(StatusCode::SERVICE_UNAVAILABLE, String::new());
    assert!(verifier.verify(&token, now() + seconds(3601)).await.is_ok());
    issuer.serve_keys(&[jwk(&KEYS[1], "two")]);
    assert_eq!(verifier.verify(&token, now() + seconds(3603)).await, Err(TokenError::UnknownKey));
    assert_eq!(issuer.asked(), 3);
}

#[tokio::test]
async fn without_keys_nobody_passes_and_the_next_second_tries_again() {
    let issuer = one_key().await;
    let verifier = issuer.verifier();
    let token = signed(&access_token());
    let faults = [
        (StatusCode::INTERNAL_SERVER_ERROR, String::new()),
        (StatusCode::OK, "not JSON".to_owned()),
        (StatusCode::OK, " ".repeat(crate::jwks::FETCH.answer_bytes + 1)),
    ];
    for (second, (status, body)) in (0..).step_by(2).zip(faults) {
        issuer.serve(status, body);
        for _ in 0..2 {
            assert_eq!(verifier.verify(&token, now() + seconds(second)).await, Err(TokenError::KeysUnavailable));
        }
    }
    assert_eq!(issuer.asked(), 3);
    issuer.serve_keys(&[jwk(&KEYS[0], "one")]);
    assert!(verifier.verify(&token, now() + seconds(7)).await.is_ok());

    let nobody = TokenVerifier::new(ISSUER, CLIENT, "http://127.0.0.1:1/jwks.json");
    assert_eq!(nobody.verify(&token, now()).await, Err(TokenError::KeysUnavailable));
}

#[tokio::test]
async fn keys_of_other_kinds_and_uses_are_passed_over() {
    let mut encryption = jwk(&KEYS[0], "one");
    encryption["use"] = "enc".into();
    let elliptic = json!({ "kty": "EC", "kid": "ec", "crv": "P-256", "x": "AA", "y": "AA" });
    let issuer = Issuer::start(&[encryption, elliptic, json!({ "kty": "RSA", "kid": "empty" })]).await;
    let verifier = issuer.verifier();
    assert_eq!(verifier.verify(&signed(&access_token()), now()).await, Err(TokenError::UnknownKey));
}
