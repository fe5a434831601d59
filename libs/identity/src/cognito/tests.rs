use aws_sdk_cognitoidentityprovider::config::{BehaviorVersion, Credentials, Region, retry::RetryConfig};
use axum::Json;
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::*;

const SUB: &str = "8c2a9b52-2f0a-4a43-a1d6-0f7be5f3a111";

/// A user pool that answers every call by `answer(operation, body)`.
async fn pool(answer: fn(&str, &Value) -> (u16, Value)) -> Cognito {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let handler = move |headers: HeaderMap, body: String| async move {
        let target = headers["x-amz-target"].to_str().unwrap();
        let operation = target.strip_prefix("AWSCognitoIdentityProviderService.").unwrap();
        let (status, body) = answer(operation, &serde_json::from_str(&body).unwrap());
        (StatusCode::from_u16(status).unwrap(), Json(body))
    };
    let routes = axum::Router::new().fallback(handler);
    tokio::spawn(async move { axum::serve(listener, routes).await });
    let config = aws_sdk_cognitoidentityprovider::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-north-1"))
        .endpoint_url(url)
        .credentials_provider(Credentials::new("id", "key", None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .http_client(net::Client::default())
        .build();
    Cognito::new(Client::from_conf(config), "pool", "client", "secret")
}

/// What a pool says that refuses everything with one exception.
fn exception(code: &str, message: &str) -> (u16, Value) {
    (400, json!({ "__type": code, "message": message }))
}

#[test]
fn the_secret_hash_is_cognitos() {
    // printf '%s' 'user@example.comclient-id' | openssl dgst -sha256 -hmac 'client-secret' -binary | base64
    assert_eq!(
        secret_hash("client-secret", "client-id", "user@example.com"),
        "NpqglvUHBpz0nyO+qeiUjlRR297+e+uA7UhuwY3pkSE="
    );
}

#[tokio::test]
async fn signing_in_sends_the_secret_hash_and_gives_tokens() {
    let cognito = pool(|operation, body| {
        assert_eq!(operation, "InitiateAuth");
        assert_eq!(body["AuthFlow"], "USER_PASSWORD_AUTH");
        let parameters = &body["AuthParameters"];
        assert_eq!(parameters["SECRET_HASH"], secret_hash("secret", "client", "a@b.c"));
        let result = json!({ "AccessToken": "a", "RefreshToken": "r", "IdToken": "i", "ExpiresIn": 900 });
        (200, json!({ "AuthenticationResult": result }))
    })
    .await;
    let tokens = cognito.sign_in("a@b.c", "password").await.unwrap();
    assert_eq!((tokens.access.as_str(), tokens.refresh.as_str(), tokens.expires_in), ("a", "r", 900));
    assert_eq!(format!("{tokens:?}"), "Tokens { expires_in: 900, .. }");
}

#[tokio::test]
async fn every_way_to_be_nobody_looks_the_same() {
    let unknown = pool(|_, _| exception("UserNotFoundException", "User does not exist.")).await;
    let wrong = pool(|_, _| exception("NotAuthorizedException", "Incorrect username or password.")).await;
    let disabled = pool(|_, _| exception("NotAuthorizedException", "User is disabled.")).await;
    for pool in [unknown, wrong, disabled] {
        assert_eq!(pool.sign_in("a@b.c", "password").await, Err(IdentityError::InvalidCredentials));
        assert_eq!(pool.sign_in("a b", "password").await, Err(IdentityError::InvalidCredentials));
        assert_eq!(pool.sign_in("a@b.c", "").await, Err(IdentityError::InvalidCredentials));
        assert_eq!(pool.refresh("token").await, Err(IdentityError::InvalidRefreshToken));
        assert_eq!(pool.refresh("to ken").await, Err(IdentityError::InvalidRefreshToken));
        assert_eq!(pool.sign_out_everywhere("token").await, Err(IdentityError::InvalidAccessToken));
        assert_eq!(pool.check_access("token").await, Err(IdentityError::InvalidAccessToken));
        assert_eq!(pool.check_access("to ken").await, Err(IdentityError::InvalidAccessToken));
    }
}

#[tokio::test]
async fn our_own_faults_are_not_the_callers() {
    let secret = pool(|_, _| exception("NotAuthorizedException", "Unable to verify secret hash for client x")).await;
    assert!(matches!(secret.sign_in("a@b.c", "password").await, Err(IdentityError::Rejected { .. })));
    let flow = pool(|_, _| exception("InvalidParameterException", "USER_PASSWORD_AUTH flow not enabled")).await;
    assert!(matches!(flow.sign_in("a@b.c", "password").await, Err(IdentityError::Rejected { .. })));
    let busy = pool(|_, _| exception("TooManyRequestsException", "Rate exceeded")).await;
    assert_eq!(busy.sign_in("a@b.c", "password").await, Err(IdentityError::Throttled));
    let down = pool(|_, _| (500, json!({ "__type": "InternalErrorException" }))).await;
    assert_eq!(down.sign_in("a@b.c", "password").await, Err(IdentityError::Unavailable));
    let challenge = pool(|_, _| (200, json!({ "ChallengeName": "NEW_PASSWORD_REQUIRED", "Session": "s" }))).await;
    let step = "NEW_PASSWORD_REQUIRED".to_owned();
    assert_eq!(challenge.sign_in("a@b.c", "password").await, Err(IdentityError::StepNeeded { step }));
}

#[tokio::test]
async fn refreshing_uses_the_token_up() {
    let rotating = pool(|operation, body| {
        assert_eq!(operation, "GetTokensFromRefreshToken");
        assert_eq!((&body["ClientId"], &body["ClientSecret"]), (&json!("client"), &json!("secret")));
        match body["RefreshToken"].as_str() {
            Some("first") => {
                let result = json!({ "AccessToken": "a2", "RefreshToken": "second", "ExpiresIn": 900 });
                (200, json!({ "AuthenticationResult": result }))
            }
            _ => exception("RefreshTokenReuseException", "Refresh token has been used"),
        }
    })
    .await;
    assert_eq!(rotating.refresh("first").await.unwrap().refresh, "second");
    assert_eq!(rotating.refresh("other").await, Err(IdentityError::InvalidRefreshToken));
}

#[tokio::test]
async fn a_wrong_password_is_not_a_wrong_token() {
    let cognito = pool(|operation, body| {
        assert_eq!(operation, "ChangePassword");
        match (body["AccessToken"].as_str(), body["PreviousPassword"].as_str()) {
            (Some("revoked"), _) => exception("NotAuthorizedException", "Access Token has been revoked"),
            (_, Some("wrong")) => exception("NotAuthorizedException", "Incorrect username or password."),
            _ if body["ProposedPassword"] == "short" => {
                exception("InvalidPasswordException", "Password not long enough")
            }
            _ => (200, json!({})),
        }
    })
    .await;
    assert_eq!(cognito.change_password("token", "right", "long enough").await, Ok(()));
    assert_eq!(
        cognito.change_password("revoked", "right", "long enough").await,
        Err(IdentityError::InvalidAccessToken)
    );
    assert_eq!(cognito.change_password("token", "wrong", "long enough").await, Err(IdentityError::InvalidCredentials));
    for (new, message) in [
        ("short", "Password not long enough"),
        (" spaced ", "Password must have 1 to 256 characters, no control characters, and no space at either end"),
        ("two\nlines", "Password must have 1 to 256 characters, no control characters, and no space at either end"),
    ] {
        let weak = IdentityError::WeakPassword { message: message.to_owned() };
        assert_eq!(cognito.change_password("token", "right", new).await, Err(weak));
    }
}

#[tokio::test]
async fn an_operator_creates_a_person_who_can_sign_in() {
    let cognito = pool(|operation, body| {
        assert_eq!(body["UserPoolId"], "pool");
        assert_eq!(body["Username"], "a@b.c");
        match operation {
            "AdminCreateUser" => {
                assert_eq!(body["MessageAction"], "SUPPRESS");
                (200, json!({ "User": { "Attributes": [{ "Name": "sub", "Value": SUB }] } }))
            }
            "AdminSetUserPassword" => {
                assert_eq!(body["Permanent"], true);
                (200, json!({}))
            }
            "AdminAddUserToGroup" => {
                assert_eq!(body["GroupName"], "staff");
                (200, json!({}))
            }
            other => exception("UnexpectedCall", other),
        }
    })
    .await;
    let id = cognito.create_user("a@b.c", Some("a good password"), &["staff"]).await.unwrap();
    assert_eq!(id.to_string(), SUB);
    let taken = pool(|_, _| exception("UsernameExistsException", "User account already exists")).await;
    assert_eq!(taken.create_user("a@b.c", None, &[]).await, Err(IdentityError::EmailExists));
}

#[tokio::test]
async fn a_person_is_found_or_not() {
    let cognito = pool(|_, body| match body["Username"].as_str() {
        Some("a@b.c") => {
            let attributes = json!([{ "Name": "sub", "Value": SUB }, { "Name": "email", "Value": "a@b.c" }]);
            let created = 1_760_000_000.25;
            (200, json!({ "Username": SUB, "UserAttributes": attributes, "Enabled": true, "UserCreateDate": created }))
        }
        _ => exception("UserNotFoundException", "User does not exist."),
    })
    .await;
    let user = cognito.find_user("a@b.c").await.unwrap().unwrap();
    assert_eq!((user.id.to_string().as_str(), user.email.as_str(), user.enabled), (SUB, "a@b.c", true));
    assert_eq!(user.created_at.as_second(), 1_760_000_000);
    assert_eq!(cognito.find_user("nobody@b.c").await, Ok(None));
}

#[tokio::test]
async fn somebody_is_signed_out_everywhere_by_name() {
    let cognito = pool(|operation, body| match (operation, body["Username"].as_str()) {
        ("AdminUserGlobalSignOut", Some("a@b.c")) => (200, json!({})),
        _ => exception("UserNotFoundException", "User does not exist."),
    })
    .await;
    assert_eq!(cognito.sign_out_user("a@b.c").await, Ok(()));
    assert_eq!(cognito.sign_out_user("nobody@b.c").await, Err(IdentityError::UserNotFound));
}
