use std::collections::HashMap;

use aws_sdk_cognitoidentityprovider::Client;
use aws_sdk_cognitoidentityprovider::error::ProvideErrorMetadata;
use aws_sdk_cognitoidentityprovider::operation::RequestId;
use aws_sdk_cognitoidentityprovider::types::{
    AttributeType, AuthFlowType, AuthenticationResultType, ExplicitAuthFlowsType, FeatureType, MessageActionType,
    PasswordPolicyType, PreventUserExistenceErrorTypes, RefreshTokenRotationType, TimeUnitsType,
    TokenValidityUnitsType, UserPoolPolicyType, UsernameAttributeType, VerifiedAttributeType,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};

use super::{Dir, start, start_with};
use crate::aws::{Data, Endpoint};

const EMAIL: &str = "ada@example.com";
const PASSWORD: &str = "correct horse";

/// A pool as the template makes it, with one person in it.
struct House {
    endpoint: Endpoint,
    client: Client,
    pool: String,
    app: String,
    secret: String,
}

impl House {
    async fn build(data: Data) -> Self {
        let (endpoint, config) = start_with(data).await;
        let client = Client::new(&config);
        let policy = PasswordPolicyType::builder().minimum_length(8).build();
        let created = client.create_user_pool().pool_name("people").username_attributes(UsernameAttributeType::Email);
        let created = created.auto_verified_attributes(VerifiedAttributeType::Email);
        let created =
            created.policies(UserPoolPolicyType::builder().password_policy(policy).build()).send().await.unwrap();
        let pool = created.user_pool().unwrap().id().unwrap().to_owned();
        let units =
            TokenValidityUnitsType::builder().access_token(TimeUnitsType::Minutes).refresh_token(TimeUnitsType::Days);
        let rotation = RefreshTokenRotationType::builder().feature(FeatureType::Enabled).retry_grace_period_seconds(0);
        let app = client
            .create_user_pool_client()
            .user_pool_id(&pool)
            .client_name("functions")
            .generate_secret(true)
            .explicit_auth_flows(ExplicitAuthFlowsType::AllowUserPasswordAuth)
            .access_token_validity(15)
            .refresh_token_validity(7)
            .token_validity_units(units.build())
            .refresh_token_rotation(rotation.build().unwrap())
            .prevent_user_existence_errors(PreventUserExistenceErrorTypes::Enabled)
            .send()
            .await
            .unwrap();
        let app = app.user_pool_client.unwrap();
        let (app, secret) = (app.client_id.unwrap(), app.client_secret.unwrap());
        Self { endpoint, client, pool, app, secret }
    }

    async fn with_ada() -> Self {
        let house = Self::build(Data::Memory).await;
        house.add_ada().await;
        house
    }

    async fn add_ada(&self) {
        let email = AttributeType::builder().name("email_verified").value("true").build().unwrap();
        let create = self.client.admin_create_user().user_pool_id(&self.pool).username("Ada@Example.com");
        create.user_attributes(email).message_action(MessageActionType::Suppress).send().await.unwrap();
        let set = self.client.admin_set_user_password().user_pool_id(&self.pool).username(EMAIL);
        set.password(PASSWORD).permanent(true).send().await.unwrap();
        self.client.create_group().user_pool_id(&self.pool).group_name("admin").send().await.unwrap();
        let add = self.client.admin_add_user_to_group().user_pool_id(&self.pool).username(EMAIL).group_name("admin");
        add.send().await.unwrap();
    }

    fn secret_hash(&self, username: &str) -> String {
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(self.secret.as_bytes()).unwrap();
        mac.update(format!("{username}{}", self.app).as_bytes());
        STANDARD.encode(mac.finalize().into_bytes())
    }

    async fn sign_in_with(&self, parameters: &[(&str, &str)]) -> Result<AuthenticationResultType, (String, String)> {
        let parameters: HashMap<_, _> =
            parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let request = self.client.initiate_auth().auth_flow(AuthFlowType::UserPasswordAuth).client_id(&self.app);
        let answer = request.set_auth_parameters(Some(parameters)).send().await.map_err(|error| code(&error))?;
        Ok(answer.authentication_result.unwrap())
    }

    async fn sign_in(&self, email: &str, password: &str) -> Result<AuthenticationResultType, (String, String)> {
        let hash = self.secret_hash(email);
        self.sign_in_with(&[("USERNAME", email), ("PASSWORD", password), ("SECRET_HASH", &hash)]).await
    }

    async fn refresh(&self, token: &str) -> Result<AuthenticationResultType, (String, String)> {
        let request = self.client.get_tokens_from_refresh_token().client_id(&self.app).client_secret(&self.secret);
        let answer = request.refresh_token(token).send().await.map_err(|error| code(&error))?;
        Ok(answer.authentication_result.unwrap())
    }

    async fn is_known(&self, access_token: &str) -> bool {
        self.client.get_user().access_token(access_token).send().await.is_ok()
    }

    /// The claims of a token, verified by the published key.
    async fn claims(&self, token: &str) -> Value {
        let issuer = self.endpoint.cognito().issuer(&self.pool);
        let body = reqwest::get(format!("{issuer}/.well-known/jwks.json")).await.unwrap().text().await.unwrap();
        let keys: Value = serde_json::from_str(&body).unwrap();
        let text = |name: &str| keys["keys"][0][name].as_str().unwrap();
        assert_eq!(jsonwebtoken::decode_header(token).unwrap().kid.as_deref(), Some(text("kid")));
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_issuer(&[issuer]);
        validation.validate_aud = false;
        let key = DecodingKey::from_rsa_components(text("n"), text("e")).unwrap();
        jsonwebtoken::decode::<Value>(token, &key, &validation).unwrap().claims
    }
}

fn code<E: ProvideErrorMetadata + RequestId>(error: &E) -> (String, String) {
    (error.code().unwrap_or_default().to_owned(), error.message().unwrap_or_default().to_owned())
}

fn not_authorized<T>(text: &str) -> Result<T, (String, String)> {
    Err(("NotAuthorizedException".to_owned(), text.to_owned()))
}

#[tokio::test]
async fn tokens_have_cognitos_claims_and_verify_by_the_published_key() {
    let house = House::with_ada().await;
    let tokens = house.sign_in("ADA@example.com", PASSWORD).await.unwrap();
    assert_eq!(tokens.expires_in(), 900);
    let access = house.claims(tokens.access_token().unwrap()).await;
    assert_eq!((&access["token_use"], &access["client_id"]), (&json!("access"), &json!(house.app)));
    assert_eq!(
        (&access["cognito:groups"], &access["scope"]),
        (&json!(["admin"]), &json!("aws.cognito.signin.user.admin"))
    );
    assert_eq!((&access["username"], access["email"].is_null()), (&access["sub"], true));
    assert_eq!(access["exp"].as_u64().unwrap() - access["iat"].as_u64().unwrap(), 900);
    let id = house.claims(tokens.id_token().unwrap()).await;
    assert_eq!((&id["token_use"], &id["aud"], &id["email"]), (&json!("id"), &json!(house.app), &json!(EMAIL)));
    assert_eq!((&id["email_verified"], &id["cognito:username"]), (&json!(true), &id["sub"]));
    let minted = house.endpoint.cognito().sign(&access).unwrap();
    assert_eq!(house.claims(&minted).await, access);
}

#[tokio::test]
async fn sign_in_needs_the_secret_hash_and_tells_nobody_who_exists() {
    let house = House::with_ada().await;
    let without = house.sign_in_with(&[("USERNAME", EMAIL), ("PASSWORD", PASSWORD)]).await;
    let text = format!("Client {} is configured with secret but SECRET_HASH was not received", house.app);
    assert_eq!(without.map(|_| ()), not_authorized(&text));
    let hash = house.secret_hash("someone@example.com");
    let wrong = house.sign_in_with(&[("USERNAME", EMAIL), ("PASSWORD", PASSWORD), ("SECRET_HASH", &hash)]).await;
    let text = format!("Unable to verify secret hash for client {}", house.app);
    assert_eq!(wrong.map(|_| ()), not_authorized(&text));
    for (email, password) in [(EMAIL, "wrong password"), ("nobody@example.com", PASSWORD)] {
        let refused = house.sign_in(email, password).await;
        assert_eq!(refused.map(|_| ()), not_authorized("Incorrect username or password."));
    }
    house.client.admin_disable_user().user_pool_id(&house.pool).username(EMAIL).send().await.unwrap();
    assert_eq!(house.sign_in(EMAIL, PASSWORD).await.map(|_| ()), not_authorized("User is disabled."));
}

#[tokio::test]
async fn guessing_is_slowed_down() {
    let house = House::with_ada().await;
    for _ in 0..5 {
        assert!(house.sign_in(EMAIL, "guess number x").await.is_err());
    }
    let refused = house.sign_in(EMAIL, PASSWORD).await;
    assert_eq!(refused.map(|_| ()), not_authorized("Password attempts exceeded"));
    house.endpoint.cognito().advance(std::time::Duration::from_secs(2));
    assert!(house.sign_in(EMAIL, PASSWORD).await.is_ok());
}

#[tokio::test]
async fn tokens_expire_by_the_pools_clock() {
    let house = House::with_ada().await;
    let tokens = house.sign_in(EMAIL, PASSWORD).await.unwrap();
    house.endpoint.cognito().advance(std::time::Duration::from_secs(900));
    let known = house.client.get_user().access_token(tokens.access_token().unwrap()).send().await.unwrap_err();
    assert_eq!(code(&known).1, "Access Token has expired");
    let fresh = house.refresh(tokens.refresh_token().unwrap()).await.unwrap();
    assert!(house.is_known(fresh.access_token().unwrap()).await);
    house.endpoint.cognito().advance(std::time::Duration::from_secs(7 * 86_400));
    let late = house.refresh(fresh.refresh_token().unwrap()).await;
    assert_eq!(late.map(|_| ()), not_authorized("Refresh Token has expired"));
}

#[tokio::test]
async fn a_refresh_token_is_good_once_and_keeps_its_session() {
    let house = House::with_ada().await;
    let first = house.sign_in(EMAIL, PASSWORD).await.unwrap();
    let second = house.refresh(first.refresh_token().unwrap()).await.unwrap();
    let reused = house.refresh(first.refresh_token().unwrap()).await.unwrap_err();
    assert_eq!(reused.0, "RefreshTokenReuseException");
    let third = house.refresh(second.refresh_token().unwrap()).await.unwrap();
    assert!(house.is_known(first.access_token().unwrap()).await, "rotation revokes no access token");
    let origin = |claims: Value| claims["origin_jti"].clone();
    let before = house.claims(first.access_token().unwrap()).await;
    assert_eq!(origin(before), origin(house.claims(third.access_token().unwrap()).await));

    let request = house.client.get_tokens_from_refresh_token().client_id(&house.app);
    let without = request.refresh_token(third.refresh_token().unwrap()).send().await.unwrap_err();
    assert_eq!(code(&without).0, "NotAuthorizedException");
    assert_eq!(house.refresh("invented.token").await.map(|_| ()), not_authorized("Invalid Refresh Token"));
    let old_way = house.client.initiate_auth().auth_flow(AuthFlowType::RefreshTokenAuth).client_id(&house.app);
    let old_way = old_way.auth_parameters("REFRESH_TOKEN", third.refresh_token().unwrap()).send().await.unwrap_err();
    assert_eq!(code(&old_way).0, "InvalidParameterException");
}

#[tokio::test]
async fn what_is_revoked_stays_revoked() {
    let house = House::with_ada().await;
    let (phone, laptop) =
        (house.sign_in(EMAIL, PASSWORD).await.unwrap(), house.sign_in(EMAIL, PASSWORD).await.unwrap());
    let revoke = house.client.revoke_token().client_id(&house.app).client_secret(&house.secret);
    revoke.token(phone.refresh_token().unwrap()).send().await.unwrap();
    assert_eq!(
        house.refresh(phone.refresh_token().unwrap()).await.map(|_| ()),
        not_authorized("Refresh Token has been revoked")
    );
    assert!(!house.is_known(phone.access_token().unwrap()).await);
    assert!(house.is_known(laptop.access_token().unwrap()).await);

    house.client.global_sign_out().access_token(laptop.access_token().unwrap()).send().await.unwrap();
    let again = house.client.global_sign_out().access_token(laptop.access_token().unwrap()).send().await.unwrap_err();
    assert_eq!(code(&again).1, "Access Token has been revoked");
    assert!(house.refresh(laptop.refresh_token().unwrap()).await.is_err());
    let id_token = house.client.get_user().access_token(phone.id_token().unwrap()).send().await.unwrap_err();
    assert_eq!(code(&id_token).1, "Invalid Access Token");
}

#[tokio::test]
async fn passwords_keep_the_policy() {
    let house = House::with_ada().await;
    let tokens = house.sign_in(EMAIL, PASSWORD).await.unwrap();
    let change = |old: &str, new: &str| {
        let request = house.client.change_password().access_token(tokens.access_token().unwrap());
        request.previous_password(old).proposed_password(new).send()
    };
    let short = code(&change(PASSWORD, "short").await.unwrap_err());
    assert_eq!(
        short,
        (
            "InvalidPasswordException".to_owned(),
            "Password did not conform with policy: Password not long enough".to_owned()
        )
    );
    assert_eq!(code(&change("wrong password", "long enough").await.unwrap_err()).1, "Incorrect username or password.");
    change(PASSWORD, "long enough").await.unwrap();
    assert!(house.sign_in(EMAIL, PASSWORD).await.is_err());
    assert!(house.sign_in(EMAIL, "long enough").await.is_ok());

    // A pool without a policy of its own asks for all kinds of characters.
    let strict = house.client.create_user_pool().pool_name("strict").send().await.unwrap();
    let create =
        house.client.admin_create_user().user_pool_id(strict.user_pool().unwrap().id().unwrap()).username("bob");
    let error = create.temporary_password("longenough1!").send().await.unwrap_err();
    assert_eq!(code(&error).1, "Password did not conform with policy: Password must have uppercase characters");
}

#[tokio::test]
async fn people_sign_up_and_recover_by_codes_from_the_mailbox() {
    let house = House::build(Data::Memory).await;
    let (email, hash) = ("eve@example.com", house.secret_hash("eve@example.com"));
    let sign_up = house.client.sign_up().client_id(&house.app).username(email).secret_hash(&hash).password(PASSWORD);
    sign_up.clone().send().await.unwrap();
    assert_eq!(code(&sign_up.send().await.unwrap_err()).0, "UsernameExistsException");
    assert_eq!(house.sign_in(email, PASSWORD).await.unwrap_err().0, "UserNotConfirmedException");
    let newest_code = || house.endpoint.mailbox().to(email)[0].text.rsplit(' ').next().unwrap().to_owned();
    let confirm = house.client.confirm_sign_up().client_id(&house.app).username(email).secret_hash(&hash);
    assert_eq!(
        code(&confirm.clone().confirmation_code("nonsense").send().await.unwrap_err()).0,
        "CodeMismatchException"
    );
    confirm.confirmation_code(newest_code()).send().await.unwrap();

    house.client.forgot_password().client_id(&house.app).username(email).secret_hash(&hash).send().await.unwrap();
    let reset = house.client.confirm_forgot_password().client_id(&house.app).username(email).secret_hash(&hash);
    reset.password("another horse").confirmation_code(newest_code()).send().await.unwrap();
    assert!(house.sign_in(email, "another horse").await.is_ok());
}

#[tokio::test]
async fn users_sessions_and_the_key_survive_a_restart() {
    let dir = Dir::new();
    let house = House::build(dir.data()).await;
    house.add_ada().await;
    let tokens = house.sign_in(EMAIL, PASSWORD).await.unwrap();
    let House { endpoint, pool, app, secret, .. } = house;
    let keys = endpoint.cognito().jwks().unwrap();
    endpoint.shutdown().await;

    let (endpoint, config) = start_with(dir.data()).await;
    let house = House { endpoint, client: Client::new(&config), pool, app, secret };
    assert_eq!(house.endpoint.cognito().jwks().unwrap(), keys);
    assert!(house.refresh(tokens.refresh_token().unwrap()).await.is_ok());
    assert!(house.sign_in(EMAIL, PASSWORD).await.is_ok());
    let listed = house
        .client
        .list_users()
        .user_pool_id(&house.pool)
        .filter(format!("email = \"{EMAIL}\""))
        .send()
        .await
        .unwrap();
    assert_eq!(listed.users().len(), 1);
}

#[tokio::test]
async fn starting_does_not_wait_for_the_key() {
    let dir = Dir::new();
    let started = std::time::Instant::now();
    let (_endpoint, _) = start_with(dir.data()).await;
    assert!(started.elapsed() < std::time::Duration::from_millis(500), "{:?}", started.elapsed());
    let (_endpoint, _) = start().await;
}

#[tokio::test]
async fn a_username_is_of_what_can_be_seen() {
    let house = House::build(Data::Memory).await;
    let create = |name: &str| house.client.admin_create_user().user_pool_id(&house.pool).username(name).send();
    for name in
        ["o'neill+x@example.com", "Zoë@example.com", "e\u{301}@example.com", "用户@example.com", "☕@example.com"]
    {
        create(name).await.unwrap();
    }
    for c in [' ', '\n', '\u{a0}', '\u{ad}', '\u{200b}', '\u{200e}', '\u{feff}', '\u{e000}'] {
        let refused = create(&format!("a{c}b@example.com")).await.unwrap_err();
        assert_eq!(refused.code(), Some("InvalidParameterException"), "{c:?}");
        assert!(refused.message().unwrap().contains(r"[\p{L}\p{M}\p{S}\p{N}\p{P}]+"), "{refused:?}");
    }
    assert!(create(&format!("{}@example.com", "x".repeat(117))).await.is_err());
}
