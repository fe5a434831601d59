//! E-mails about an account: welcome, a forgotten password, an invitation (POS contract §2, §11).

use askama::Template;
use domain::{
    link::LinkPurpose,
    member::{Member, Org},
};

use crate::{
    Letter, WriteError,
    words::{first_name, line, short},
};

#[derive(Template)]
#[template(path = "welcome.html")]
struct WelcomeHtml<'a> {
    w: &'a Welcome<'a>,
}

#[derive(Template)]
#[template(path = "welcome.txt")]
struct WelcomeText<'a> {
    w: &'a Welcome<'a>,
}

struct Welcome<'a> {
    name: String,
    org: String,
    dashboard: &'a str,
}

/// Greets somebody who has founded an organization.
pub fn write_welcome(member: &Member, org: &Org, dashboard_url: &str) -> Result<Letter, WriteError> {
    let welcome = Welcome { name: first_name(member), org: line(&org.name), dashboard: dashboard_url };
    Ok(Letter {
        subject: format!("Welcome: {} is set up", short(&org.name)),
        html: WelcomeHtml { w: &welcome }.render()?,
        text: WelcomeText { w: &welcome }.render()?,
        files: vec![],
    })
}

#[derive(Template)]
#[template(path = "password-reset.html")]
struct ResetHtml<'a> {
    r: &'a Reset<'a>,
}

#[derive(Template)]
#[template(path = "password-reset.txt")]
struct ResetText<'a> {
    r: &'a Reset<'a>,
}

struct Reset<'a> {
    name: String,
    url: &'a str,
    minutes: i64,
}

/// Brings the link by which a password is replaced.
pub fn write_password_reset(member: &Member, url: &str) -> Result<Letter, WriteError> {
    let minutes = LinkPurpose::PasswordReset.lifetime().as_mins();
    let reset = Reset { name: first_name(member), url, minutes };
    Ok(Letter {
        subject: "Reset your password".to_owned(),
        html: ResetHtml { r: &reset }.render()?,
        text: ResetText { r: &reset }.render()?,
        files: vec![],
    })
}

#[derive(Template)]
#[template(path = "invitation.html")]
struct InvitationHtml<'a> {
    i: &'a Invitation<'a>,
}

#[derive(Template)]
#[template(path = "invitation.txt")]
struct InvitationText<'a> {
    i: &'a Invitation<'a>,
}

struct Invitation<'a> {
    name: String,
    org: String,
    /// Who invites, at the beginning of a sentence.
    inviter: String,
    email: String,
    url: &'a str,
    days: i64,
}

/// Brings the link by which somebody joins an organization. `inviter` is absent when they are gone.
pub fn write_invitation(member: &Member, org: &Org, inviter: Option<&Member>, url: &str) -> Result<Letter, WriteError> {
    let inviter = inviter.map(|inviter| line(&inviter.name)).filter(|name| !name.is_empty());
    let invitation = Invitation {
        name: first_name(member),
        org: line(&org.name),
        inviter: inviter.unwrap_or_else(|| line(&org.name)),
        email: line(&member.email),
        url,
        days: LinkPurpose::Invitation.lifetime().as_hours() / 24,
    };
    Ok(Letter {
        subject: format!("You are invited to join {}", short(&org.name)),
        html: InvitationHtml { i: &invitation }.render()?,
        text: InvitationText { i: &invitation }.render()?,
        files: vec![],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{FOREIGN, member, org};

    const LINK: &str = "https://portal.example.com/reset-password?token=0123abcd";

    fn both(letter: &Letter, facts: &[&str]) {
        for fact in facts {
            assert!(letter.text.contains(fact), "text: {fact}: {}", letter.text);
            assert!(letter.html.contains(&fact.replace('&', "&#38;")), "html: {fact}");
        }
        assert!(!letter.text.contains('<') && letter.files.is_empty());
    }

    #[test]
    fn a_welcome_leads_to_the_dashboard() {
        let letter = write_welcome(&member(), &org(), "https://portal.example.com").unwrap();
        assert_eq!(letter.subject, "Welcome: Lemon & Lime is set up");
        both(&letter, &["Hello Ana,", "Lemon & Lime", "https://portal.example.com"]);
        assert!(letter.html.contains("href=\"https://portal.example.com\""));
    }

    #[test]
    fn a_reset_brings_its_link_in_the_bodies_only() {
        let letter = write_password_reset(&member(), LINK).unwrap();
        assert_eq!(letter.subject, "Reset your password");
        both(&letter, &["Hello Ana,", "10 minutes", LINK]);
        assert!(letter.text.lines().any(|line| line == LINK), "on a line of its own");
        assert!(letter.html.contains(&format!("href=\"{LINK}\"")));
        let preheader = letter.html.split("mso-hide").nth(1).unwrap().split("</div>").next().unwrap();
        assert!(!preheader.contains("token"), "what is shown on a locked phone");
    }

    #[test]
    fn an_invitation_says_who_invites_and_as_whom_to_sign_in() {
        let inviter = domain::member::Member { name: "Bo Chen".into(), ..member() };
        let letter = write_invitation(&member(), &org(), Some(&inviter), LINK).unwrap();
        assert_eq!(letter.subject, "You are invited to join Lemon & Lime");
        both(&letter, &["Bo Chen invites you", "Lemon & Lime", "ana@example.com", "7 days", LINK]);
        let letter = write_invitation(&member(), &org(), None, LINK).unwrap();
        both(&letter, &["Lemon & Lime invites you"]);
    }

    #[test]
    fn somebody_without_a_name_is_greeted_too() {
        let nobody = Member { first_name: None, name: " ".into(), ..member() };
        let letter = write_password_reset(&nobody, LINK).unwrap();
        both(&letter, &["Hello,"]);
    }

    #[test]
    fn nothing_from_outside_is_html_or_a_header() {
        let member = Member { first_name: Some(FOREIGN.into()), name: FOREIGN.into(), ..member() };
        let org = Org { name: FOREIGN.into(), ..org() };
        for letter in [
            write_welcome(&member, &org, LINK).unwrap(),
            write_password_reset(&member, LINK).unwrap(),
            write_invitation(&member, &org, Some(&member), LINK).unwrap(),
        ] {
            assert!(!letter.html.contains("<script"));
            assert!(!letter.subject.contains('\n') && !letter.text.contains("\nBcc"));
        }
    }
}
