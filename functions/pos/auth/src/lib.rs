//! Signing in, profiles, organizations (contract `pos.md` §2, §3) and their webhooks, and what people write to us (§21).
//!
//! Cognito keeps passwords and tokens; the member item says who the person is here, whether they still may, and which
//! session holds. Open routes look at neither a bearer token nor a session's version: a client may send stale ones.

mod avatar;
mod contact;
mod endpoints;
mod invite;
mod organization;
mod password;
mod profile;
mod reset;
mod session;
mod signup;
mod wire;

use runtime::{Function, Routes, Surface, routes};

/// The function.
pub fn function() -> Function {
    Function::http(
        Surface::Pos,
        Routes::new()
            .routes(routes!(session::login))
            .routes(routes!(session::refresh))
            .routes(routes!(session::logout))
            .routes(routes!(signup::sign_up))
            .routes(routes!(signup::check_email))
            .routes(routes!(profile::me))
            .routes(routes!(profile::update_profile))
            .routes(routes!(profile::update_preferences))
            .routes(routes!(profile::complete_onboarding))
            .routes(routes!(avatar::upload_avatar, avatar::delete_avatar))
            .routes(routes!(password::check_password))
            .routes(routes!(password::change_password))
            .routes(routes!(reset::forgot_password))
            .routes(routes!(reset::validate_reset_token))
            .routes(routes!(reset::reset_password))
            .routes(routes!(invite::validate_invite))
            .routes(routes!(invite::accept_invite))
            .routes(routes!(
                organization::get_organization,
                organization::update_organization,
                organization::replace_organization
            ))
            .routes(routes!(organization::add_tap_to_pay_device))
            .routes(routes!(endpoints::list_webhooks, endpoints::create_webhook))
            .routes(routes!(endpoints::update_webhook, endpoints::delete_webhook))
            .routes(routes!(endpoints::list_deliveries))
            .routes(routes!(endpoints::rotate_webhook))
            .routes(routes!(endpoints::test_webhook))
            .routes(routes!(contact::contact))
            .routes(routes!(contact::subscribe)),
    )
}
