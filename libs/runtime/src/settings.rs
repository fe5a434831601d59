//! Settings: from the environment, and secrets from the parameter store, read once at init.

use std::{collections::HashMap, fmt};

use domain::{
    ids::OrgId,
    keyring::{KeyRing, KeyRingError},
};
use payments::billing::Plan;

/// A setting that is missing or unreadable. Stops the function at init; names the setting, never its value.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// Not set.
    #[error("setting {0} is missing")]
    Missing(&'static str),
    /// Set to something it cannot be.
    #[error("setting {0} {1}")]
    Invalid(&'static str, String),
    /// The parameter store did not answer.
    #[error("secrets under {0} could not be read")]
    Secrets(String),
}

/// Whose notices of the app stores are taken (POS §16).
#[derive(Clone, Debug, Default)]
pub struct StoreSettings {
    /// The iOS app; absent refuses all of Apple's notices.
    pub apple_bundle_id: Option<String>,
    /// The iOS app's number in the App Store; Apple's production notices are refused without it.
    pub apple_app_id: Option<i64>,
    /// True for Apple's sandbox.
    pub apple_sandbox: bool,
    /// SHA-256 of the root certificates that Apple's notices may be signed under, lower-case hex; empty is Apple's own.
    pub apple_roots: Vec<String>,
    /// The Android app; absent refuses all of Google's notices.
    pub google_package: Option<String>,
    /// Audience of the push subscription's token.
    pub google_push_audience: Option<String>,
    /// Service account of the push subscription's token.
    pub google_push_account: Option<String>,
    /// Where the keys of Google's tokens are.
    pub google_jwks_url: String,
    /// The key of the service account that asks Google about purchases, as Google's console gives it out (JSON); absent leaves
    /// them to Google's notices alone.
    pub google_service_account: Option<String>,
    /// Address of Google Play's Developer API, when it is not Google's own.
    pub google_play_base: Option<String>,
}

/// Google's own keys.
const GOOGLE_JWKS: &str = "https://www.googleapis.com/oauth2/v3/certs";

/// All settings, parsed.
#[derive(Clone)]
pub struct Settings {
    /// The one table.
    pub table_name: String,
    /// Queue of `workers-email`.
    pub email_queue_url: String,
    /// Queue of `workers-expiry`.
    pub expiry_queue_url: String,
    /// Queue of `workers-payments`.
    pub payments_queue_url: String,
    /// Queue of `workers-payouts`.
    pub payouts_queue_url: String,
    /// Queue of `workers-reports`.
    pub reports_queue_url: String,
    /// Queue of `workers-webhooks`.
    pub webhooks_queue_url: String,
    /// Bucket of public media.
    pub bucket_name: String,
    /// Base URL under which the bucket's objects are public, without a slash at the end.
    pub media_url: String,
    /// Base URL of the API, without a slash at the end.
    pub public_url: String,
    /// Where a buyer returns after paying, without a slash at the end.
    pub storefront_url: String,
    /// Where a vendor resets a password, without a slash at the end.
    pub dashboard_url: String,
    /// Where an invitation is accepted, without a slash at the end.
    pub site_url: String,
    /// Stripe's publishable key, which clients ask for; absent where payments are not configured.
    pub stripe_publishable_key: Option<String>,
    /// What of the pro tier is sold on the web; absent where it is not.
    pub plan: Option<Plan>,
    /// The app stores.
    pub stores: StoreSettings,
    /// True only where the setting was named: organizations' endpoints may be at private addresses, and plain HTTP.
    pub allow_private_endpoints: bool,
    /// The user pool.
    pub user_pool_id: String,
    /// The pool's client.
    pub user_pool_client_id: String,
    /// The client's secret.
    pub user_pool_client_secret: String,
    /// `iss` of the access tokens.
    pub token_issuer: String,
    /// Where the issuer's keys are.
    pub jwks_url: String,
    /// Sender of e-mails; absent means that e-mail is not configured.
    pub mail_from: Option<String>,
    /// The organization whose storefront this deployment serves.
    pub tickets_org: OrgId,
    /// False switches the limits off (load tests).
    pub rate_limit: bool,
    /// Requests per address in 15 minutes on the auth routes.
    pub rate_limit_auth: u32,
    /// Requests per address in 15 minutes on all others.
    pub rate_limit_api: u32,
    /// True only where the setting was named: unsigned webhooks are accepted.
    pub accept_unsigned_webhooks: bool,
    /// Stripe's key; absent means that payments are not configured.
    pub stripe_secret_key: Option<String>,
    /// Stripe's address, when it is not Stripe's own.
    pub stripe_api_base: Option<String>,
    /// Secrets that sign the tickets' payment webhook; several while rotating.
    pub tickets_webhook_secrets: Vec<String>,
    /// Secrets that sign Stripe's events.
    pub stripe_webhook_secrets: Vec<String>,
    /// Secrets that sign Stripe's events of connected accounts.
    pub stripe_connect_webhook_secrets: Vec<String>,
    /// Keys of the tickets' and links' secrets.
    pub qr_keys: KeyRing,
    /// Key that signs uploads.
    pub upload_secret: String,
    /// Keys of service tokens, `kid:secret,…`; absent means that there are no service tokens.
    pub service_token_keys: Option<String>,
    /// Level of the log.
    pub log: String,
}

impl Settings {
    /// Every name that is read from the environment; the template sets exactly these.
    pub const NAMES: &[&str] = &[
        "TABLE_NAME",
        "EMAIL_QUEUE_URL",
        "EXPIRY_QUEUE_URL",
        "PAYMENTS_QUEUE_URL",
        "PAYOUTS_QUEUE_URL",
        "REPORTS_QUEUE_URL",
        "WEBHOOKS_QUEUE_URL",
        "BUCKET_NAME",
        "MEDIA_URL",
        "PUBLIC_URL",
        "STOREFRONT_URL",
        "DASHBOARD_URL",
        "SITE_URL",
        "STRIPE_PUBLISHABLE_KEY",
        "STRIPE_PRO_PRICE",
        "STRIPE_PRO_COUPON",
        "APPLE_BUNDLE_ID",
        "APPLE_APP_ID",
        "APPLE_ENVIRONMENT",
        "APPLE_ROOTS",
        "GOOGLE_PACKAGE",
        "GOOGLE_PUSH_AUDIENCE",
        "GOOGLE_PUSH_ACCOUNT",
        "GOOGLE_JWKS_URL",
        "GOOGLE_PLAY_BASE",
        "ALLOW_PRIVATE_ENDPOINTS",
        "USER_POOL_ID",
        "USER_POOL_CLIENT_ID",
        "TOKEN_ISSUER",
        "JWKS_URL",
        "MAIL_FROM",
        "TICKETS_ORG_ID",
        "CORS_ORIGINS",
        "RATE_LIMIT",
        "RATE_LIMIT_AUTH",
        "RATE_LIMIT_API",
        "ACCEPT_UNSIGNED_WEBHOOKS",
        "STRIPE_API_BASE",
        "LOG",
        "SECRETS_PATH",
    ];

    /// Every name that is read from the parameter store, or from the environment when `SECRETS_PATH` is empty.
    pub const SECRET_NAMES: &[&str] = &[
        "USER_POOL_CLIENT_SECRET",
        "STRIPE_SECRET_KEY",
        "GOOGLE_SERVICE_ACCOUNT",
        "TICKETS_WEBHOOK_SECRETS",
        "STRIPE_WEBHOOK_SECRETS",
        "STRIPE_CONNECT_WEBHOOK_SECRETS",
        "QR_KEYS",
        "UPLOAD_SECRET",
        "SERVICE_TOKEN_KEYS",
    ];

    /// Reads settings from names and values. Empty values count as absent.
    pub fn from_map(map: &HashMap<String, String>) -> Result<Self, SettingsError> {
        let get = |name: &str| map.get(name).map(|value| value.trim()).filter(|value| !value.is_empty());
        let text = |name: &'static str| get(name).map(str::to_owned).ok_or(SettingsError::Missing(name));
        let url = |name: &'static str| text(name).map(|url| url.trim_end_matches('/').to_owned());
        let list = |name: &str| {
            get(name).map_or_else(Vec::new, |all| all.split(',').map(|one| one.trim().to_owned()).collect())
        };
        let number = |name: &'static str, default: u32| {
            get(name).map_or(Ok(default), |value| {
                value.parse().map_err(|_| SettingsError::Invalid(name, "must be a whole number".into()))
            })
        };
        let token_issuer = url("TOKEN_ISSUER")?;
        let public_url = url("PUBLIC_URL")?;
        let page = |name: &str| get(name).unwrap_or(&public_url).trim_end_matches('/').to_owned();
        Ok(Settings {
            table_name: text("TABLE_NAME")?,
            email_queue_url: text("EMAIL_QUEUE_URL")?,
            expiry_queue_url: text("EXPIRY_QUEUE_URL")?,
            payments_queue_url: text("PAYMENTS_QUEUE_URL")?,
            bucket_name: text("BUCKET_NAME")?,
            media_url: url("MEDIA_URL")?,
            payouts_queue_url: text("PAYOUTS_QUEUE_URL")?,
            reports_queue_url: text("REPORTS_QUEUE_URL")?,
            webhooks_queue_url: text("WEBHOOKS_QUEUE_URL")?,
            storefront_url: page("STOREFRONT_URL"),
            dashboard_url: page("DASHBOARD_URL"),
            site_url: page("SITE_URL"),
            public_url: public_url.clone(),
            stripe_publishable_key: get("STRIPE_PUBLISHABLE_KEY").map(str::to_owned),
            plan: get("STRIPE_PRO_PRICE")
                .map(|price| Plan { price: price.to_owned(), coupon: get("STRIPE_PRO_COUPON").map(str::to_owned) }),
            stores: StoreSettings {
                apple_bundle_id: get("APPLE_BUNDLE_ID").map(str::to_owned),
                apple_app_id: get("APPLE_APP_ID")
                    .map(|id| id.parse().map_err(|_| SettingsError::Invalid("APPLE_APP_ID", "must be a number".into())))
                    .transpose()?,
                apple_sandbox: get("APPLE_ENVIRONMENT") == Some("Sandbox"),
                apple_roots: list("APPLE_ROOTS"),
                google_package: get("GOOGLE_PACKAGE").map(str::to_owned),
                google_push_audience: get("GOOGLE_PUSH_AUDIENCE").map(str::to_owned),
                google_push_account: get("GOOGLE_PUSH_ACCOUNT").map(str::to_owned),
                google_jwks_url: get("GOOGLE_JWKS_URL").unwrap_or(GOOGLE_JWKS).to_owned(),
                google_service_account: get("GOOGLE_SERVICE_ACCOUNT").map(str::to_owned),
                google_play_base: get("GOOGLE_PLAY_BASE").map(str::to_owned),
            },
            allow_private_endpoints: get("ALLOW_PRIVATE_ENDPOINTS") == Some("true"),
            user_pool_id: text("USER_POOL_ID")?,
            user_pool_client_id: text("USER_POOL_CLIENT_ID")?,
            user_pool_client_secret: text("USER_POOL_CLIENT_SECRET")?,
            jwks_url: get("JWKS_URL").map_or_else(|| format!("{token_issuer}/.well-known/jwks.json"), str::to_owned),
            token_issuer,
            mail_from: get("MAIL_FROM").map(str::to_owned),
            tickets_org: text("TICKETS_ORG_ID")?
                .parse()
                .map_err(|_| SettingsError::Invalid("TICKETS_ORG_ID", "must be a UUID".into()))?,
            rate_limit: get("RATE_LIMIT") != Some("off"),
            rate_limit_auth: number("RATE_LIMIT_AUTH", 10)?,
            rate_limit_api: number("RATE_LIMIT_API", 100)?,
            accept_unsigned_webhooks: get("ACCEPT_UNSIGNED_WEBHOOKS") == Some("true"),
            stripe_secret_key: get("STRIPE_SECRET_KEY").map(str::to_owned),
            stripe_api_base: get("STRIPE_API_BASE").map(str::to_owned),
            tickets_webhook_secrets: list("TICKETS_WEBHOOK_SECRETS"),
            stripe_webhook_secrets: list("STRIPE_WEBHOOK_SECRETS"),
            stripe_connect_webhook_secrets: list("STRIPE_CONNECT_WEBHOOK_SECRETS"),
            qr_keys: KeyRing::parse(&text("QR_KEYS")?)
                .map_err(|e: KeyRingError| SettingsError::Invalid("QR_KEYS", e.to_string()))?,
            upload_secret: text("UPLOAD_SECRET")?,
            service_token_keys: get("SERVICE_TOKEN_KEYS").map(str::to_owned),
            log: get("LOG").unwrap_or("info").to_owned(),
        })
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("table_name", &self.table_name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete() -> HashMap<String, String> {
        let mut map: HashMap<String, String> = Settings::NAMES
            .iter()
            .chain(Settings::SECRET_NAMES)
            .map(|name| (name.to_string(), format!("https://{}/", name.to_lowercase())))
            .collect();
        map.insert("QR_KEYS".into(), format!("k1:{}", "ab".repeat(16)));
        map.insert("TICKETS_ORG_ID".into(), "8f5f6f0e-6f43-4d4e-9a4e-0c6f4b1b7a01".into());
        for name in ["RATE_LIMIT_AUTH", "RATE_LIMIT_API", "APPLE_APP_ID"] {
            map.insert(name.into(), "7".into());
        }
        map
    }

    #[test]
    fn a_missing_setting_is_named() {
        assert!(Settings::from_map(&complete()).is_ok());
        for name in ["TABLE_NAME", "USER_POOL_CLIENT_SECRET", "QR_KEYS", "TOKEN_ISSUER"] {
            let mut map = complete();
            map.insert(name.into(), " ".into());
            let error = Settings::from_map(&map).unwrap_err();
            assert_eq!(error.to_string(), format!("setting {name} is missing"));
        }
    }

    #[test]
    fn unsigned_webhooks_need_the_very_word() {
        let mut map = complete();
        assert!(!Settings::from_map(&map).unwrap().accept_unsigned_webhooks);
        map.insert("ACCEPT_UNSIGNED_WEBHOOKS".into(), "true".into());
        assert!(Settings::from_map(&map).unwrap().accept_unsigned_webhooks);
    }
}
