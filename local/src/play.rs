//! A stand-in for Google Play: the token endpoint that a service account's assertion is traded at, and of the Developer API what
//! tells of a subscription and acknowledges it. What asks it is the production code, whole and over HTTP.
//!
//! | route, below `/_local/play` | answers |
//! |---|---|
//! | `POST /token` | an access token for an assertion that is signed, for this endpoint, and not expired |
//! | `GET /androidpublisher/v3/applications/{package}/purchases/subscriptionsv2/tokens/{token}` | the purchase |
//! | `POST /androidpublisher/v3/…/purchases/subscriptions/{product}/tokens/{token}:acknowledge` | acknowledges it |
//! | `PUT /purchases/{token}` | for scripts: plants a purchase, in Google's own words |

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use anyhow::Context as _;
use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rsa::{KeyPair, KeySize},
};
use axum::{
    Json, Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use domain::time::iso;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Validation, jwk::Jwk};
use runtime::clock::Clock;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::apple::{BUNDLE_ID as PACKAGE, PRODUCT};

const ACCOUNT: &str = "fairground@local-play.iam.gserviceaccount.example";
const SCOPE: &str = "https://www.googleapis.com/auth/androidpublisher";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// Seconds that a token is good for, and the most that an assertion may be.
const HOUR: i64 = 3600;
/// Seconds that clocks may differ by.
const LEEWAY: i64 = 30;

/// The stand-in. Clones share its purchases.
#[derive(Clone)]
pub struct Play(Arc<Shared>);

struct Shared {
    base: String,
    clock: Clock,
    state: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    purchases: BTreeMap<String, Value>,
    acknowledged: BTreeMap<String, usize>,
    /// Access tokens, and when each ends.
    granted: HashMap<String, i64>,
    /// Questions about purchases that were answered.
    asked: usize,
    /// How many requests are still refused.
    to_refuse: usize,
}

impl Known {
    /// As Google does on a bad day.
    fn refuse(&mut self) -> Result<(), Response> {
        if self.to_refuse == 0 {
            return Ok(());
        }
        self.to_refuse -= 1;
        Err(refusal(StatusCode::SERVICE_UNAVAILABLE, "backendError"))
    }
}

struct Key {
    pem: String,
    public: DecodingKey,
}

/// One for all clouds of a process: it takes a moment to make.
static KEY: OnceLock<Key> = OnceLock::new();

impl Play {
    /// `url` is the gateway's, where [`Play::router`] is served.
    ///
    /// # Errors
    /// When the service account's key cannot be made, which has no cause but a broken machine.
    pub fn new(url: &str, clock: Clock) -> anyhow::Result<Self> {
        if KEY.get().is_none() {
            drop(KEY.set(new_key().context("making a service account's key")?));
        }
        Ok(Self(Arc::new(Shared { base: format!("{url}/_local/play"), clock, state: Mutex::default() })))
    }

    /// Where the API is, for `GOOGLE_PLAY_BASE`.
    pub fn base(&self) -> &str {
        &self.0.base
    }

    /// The key file of the service account that may ask, for `GOOGLE_SERVICE_ACCOUNT`.
    pub fn service_account(&self) -> String {
        let pem = KEY.get().map_or("", |key| &key.pem);
        json!({"type": "service_account", "project_id": "local-play", "private_key_id": "local", "private_key": pem,
            "client_email": ACCOUNT, "token_uri": self.token_uri()})
        .to_string()
    }

    fn token_uri(&self) -> String {
        format!("{}/token", self.0.base)
    }

    /// A subscription as Google tells of it: `state` is `ACTIVE`, `CANCELED`, … It waits for its acknowledgement.
    pub fn subscription(state: &str, expires: Timestamp) -> Value {
        json!({
            "kind": "androidpublisher#subscriptionPurchaseV2", "regionCode": "US",
            "subscriptionState": format!("SUBSCRIPTION_STATE_{state}"),
            "latestOrderId": "GPA.3333-4444-5555-66666", "acknowledgementState": "ACKNOWLEDGEMENT_STATE_PENDING",
            "lineItems": [{
                "productId": PRODUCT, "expiryTime": iso(expires),
                "autoRenewingPlan": if state == "ACTIVE" { json!({"autoRenewEnabled": true}) } else { json!({}) },
                "offerDetails": {"basePlanId": "monthly"}, "offerPhase": {"basePrice": {}},
            }],
        })
    }

    /// Makes Google know a purchase, or know it anew.
    pub fn plant(&self, token: &str, purchase: Value) {
        self.lock().purchases.insert(token.to_owned(), purchase);
    }

    /// How often a purchase was acknowledged.
    pub fn acknowledged(&self, token: &str) -> usize {
        self.lock().acknowledged.get(token).copied().unwrap_or_default()
    }

    /// How many questions about purchases were answered.
    pub fn asked(&self) -> usize {
        self.lock().asked
    }

    /// Answers the next requests with 503, of whatever kind they are. 0 puts it up again.
    pub fn refuse_next(&self, requests: usize) {
        self.lock().to_refuse = requests;
    }

    /// Forgets all access tokens, as if they had been withdrawn.
    pub fn withdraw_tokens(&self) {
        self.lock().granted.clear();
    }

    /// What the gateway's listener serves of it.
    pub fn router(&self) -> Router {
        let purchases = "/_local/play/androidpublisher/v3/applications/{package}/purchases";
        Router::new()
            .route("/_local/play/token", post(grant))
            .route(&format!("{purchases}/subscriptionsv2/tokens/{{token}}"), get(tell))
            .route(&format!("{purchases}/subscriptions/{{product}}/tokens/{{token}}"), post(acknowledge))
            .route("/_local/play/purchases/{token}", put(plant))
            .with_state(self.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> i64 {
        self.0.clock.now().as_second()
    }

    /// Who asks has a token of ours.
    fn authorize(&self, headers: &HeaderMap) -> Result<(), Response> {
        let mut state = self.lock();
        state.refuse()?;
        let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let good = value.strip_prefix("Bearer ").and_then(|token| state.granted.get(token));
        match good {
            Some(end) if self.now() < *end => Ok(()),
            _ => Err(refusal(StatusCode::UNAUTHORIZED, "authError")),
        }
    }
}

fn new_key() -> anyhow::Result<Key> {
    let pair = KeyPair::generate(KeySize::Rsa2048)?;
    let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair)?;
    let lines = STANDARD.encode(der.as_ref());
    let lines: Vec<&str> = lines.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"));
    let public = Jwk::from_encoding_key(&EncodingKey::from_rsa_pem(pem.as_bytes())?, Algorithm::RS256)?;
    Ok(Key { pem, public: DecodingKey::from_jwk(&public)? })
}

fn refusal(status: StatusCode, reason: &str) -> Response {
    let body = json!({"error": {"code": status.as_u16(), "message": reason, "errors": [{"reason": reason}]}});
    (status, Json(body)).into_response()
}

#[derive(Deserialize)]
struct Assertion {
    scope: String,
    iat: i64,
    exp: i64,
}

/// `POST /token`
async fn grant(State(play): State<Play>, body: String) -> Response {
    if let Err(refusal) = play.lock().refuse() {
        return refusal;
    }
    if let Err(reason) = is_good(&play, &body) {
        let body = json!({"error": "invalid_grant", "error_description": reason.to_string()});
        return (StatusCode::BAD_REQUEST, Json(body)).into_response();
    }
    let token = format!("ya29.{}", hex::encode(rand::random::<[u8; 24]>()));
    play.lock().granted.insert(token.clone(), play.now() + HOUR);
    Json(json!({"access_token": token, "expires_in": HOUR - 1, "token_type": "Bearer"})).into_response()
}

/// The form has an assertion of the service account's, for this endpoint and scope, that is good now.
fn is_good(play: &Play, form: &str) -> anyhow::Result<()> {
    let value = |name: &str| {
        let value = form.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        percent_encoding::percent_decode_str(value.unwrap_or_default()).decode_utf8_lossy().into_owned()
    };
    anyhow::ensure!(value("grant_type") == GRANT, "another grant type");
    let mut validation = Validation::new(Algorithm::RS256);
    // Not by the system's clock, but by the cloud's.
    validation.validate_exp = false;
    validation.set_audience(&[play.token_uri()]);
    validation.set_issuer(&[ACCOUNT]);
    validation.set_required_spec_claims(&["aud", "iss", "exp"]);
    let key = KEY.get().context("no key")?;
    let claims = jsonwebtoken::decode::<Assertion>(value("assertion"), &key.public, &validation)?.claims;
    let now = play.now();
    anyhow::ensure!(claims.scope == SCOPE, "another scope");
    anyhow::ensure!(claims.iat <= now + LEEWAY && now < claims.exp + LEEWAY, "not good now");
    anyhow::ensure!(claims.exp - claims.iat <= HOUR, "good for too long");
    Ok(())
}

/// `GET …/subscriptionsv2/tokens/{token}`
async fn tell(
    State(play): State<Play>,
    Path((package, token)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    if let Err(refusal) = play.authorize(&headers) {
        return refusal;
    }
    let mut state = play.lock();
    state.asked += 1;
    match state.purchases.get(&token).filter(|_| package == PACKAGE) {
        Some(purchase) => Json(purchase.clone()).into_response(),
        // Of a token that it does not know, or that is another app's, Google says that its value is invalid.
        None => refusal(StatusCode::BAD_REQUEST, "invalid"),
    }
}

/// `POST …/subscriptions/{product}/tokens/{token}:acknowledge`
async fn acknowledge(
    State(play): State<Play>,
    Path((package, product, token)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Response {
    if let Err(refusal) = play.authorize(&headers) {
        return refusal;
    }
    let Some(token) = token.strip_suffix(":acknowledge") else { return StatusCode::NOT_FOUND.into_response() };
    let mut state = play.lock();
    match state.purchases.get_mut(token).filter(|_| package == PACKAGE && product == PRODUCT) {
        Some(purchase) => {
            purchase["acknowledgementState"] = "ACKNOWLEDGEMENT_STATE_ACKNOWLEDGED".into();
            *state.acknowledged.entry(token.to_owned()).or_default() += 1;
            StatusCode::OK.into_response()
        }
        None => refusal(StatusCode::BAD_REQUEST, "invalid"),
    }
}

/// `PUT /_local/play/purchases/{token}`
async fn plant(State(play): State<Play>, Path(token): Path<String>, Json(purchase): Json<Value>) -> StatusCode {
    play.plant(&token, purchase);
    StatusCode::NO_CONTENT
}
