//! What an e-mail is written from: read anew for each try, so that it says what is true when it is sent.

use domain::{
    ids::{OrgId, UserId},
    link::{LinkPurpose, LinkSecret},
    mail::{Mail, MailKey},
    member::{Member, Org},
    pos,
    tickets::{number::OrderNumber, order::OrderStatus},
};
use jiff::civil;
use runtime::{Ctx, files::FilesError};
use uuid::Uuid;

use crate::{
    account,
    letter::{Addressed, Letter},
    receipt, ticket,
    undelivered::Undelivered,
    weekly,
};

/// The store finds no link that may still be used.
const NO_LINK: Undelivered = Undelivered::NotWanted("its link was used, replaced or withdrawn, or has run out");

/// Writes a claimed e-mail.
pub(crate) async fn write(ctx: &Ctx, mail: &Mail) -> Result<Addressed, Undelivered> {
    match mail.key {
        MailKey::Ticket { number } => write_ticket(ctx, number).await,
        MailKey::Welcome { user } => write_welcome(ctx, mail, user).await,
        MailKey::PasswordReset { id, .. } => write_password_reset(ctx, mail, id).await,
        MailKey::Invitation { id, .. } => write_invitation(ctx, mail, id).await,
        MailKey::Receipt { org, order, .. } => write_receipt(ctx, mail, org, order).await,
        MailKey::WeeklyReport { user, week } => write_weekly_report(ctx, mail, user, week).await,
    }
}

async fn write_ticket(ctx: &Ctx, number: OrderNumber) -> Result<Addressed, Undelivered> {
    let order = ctx.store().load_order(number).await?.ok_or(Undelivered::NotFound("order"))?;
    if order.status != OrderStatus::Paid {
        return Err(Undelivered::NotPaid);
    }
    let event = ctx.store().load_event(order.event_id).await?.ok_or(Undelivered::NotFound("event"))?;
    let secret = ctx.ticket_secret(&order.key_id, order.number, order.revision).ok_or(Undelivered::NoKey)?;
    let letter = ticket::write(&order, &event, &secret)?;
    Ok(Addressed { letter, to: order.buyer.email, about: ("order", number.to_string()) })
}

async fn write_welcome(ctx: &Ctx, mail: &Mail, user: UserId) -> Result<Addressed, Undelivered> {
    let (member, org) = tokio::try_join!(load_reader(ctx, mail, user), load_org(ctx, mail.org))?;
    let letter = account::write_welcome(&member, &org, &ctx.settings().dashboard_url)?;
    Ok(to_member(letter, member))
}

async fn write_password_reset(ctx: &Ctx, mail: &Mail, id: Uuid) -> Result<Addressed, Undelivered> {
    let secret = link_secret(ctx, mail, LinkPurpose::PasswordReset, id)?;
    let (_, member) = ctx.store().load_reset(&secret.hash(), ctx.now()).await?.ok_or(NO_LINK)?;
    let url = format!("{}/reset-password?token={}", ctx.settings().dashboard_url, secret.reveal());
    let letter = account::write_password_reset(&member, &url)?;
    Ok(to_member(letter, member))
}

async fn write_invitation(ctx: &Ctx, mail: &Mail, id: Uuid) -> Result<Addressed, Undelivered> {
    let secret = link_secret(ctx, mail, LinkPurpose::Invitation, id)?;
    let (_, member) = ctx.store().load_invitation(&secret.hash(), ctx.now()).await?.ok_or(NO_LINK)?;
    let by = async {
        match &member.invitation {
            Some(invitation) => Ok(ctx.store().load_member(invitation.by).await?),
            None => Ok(None),
        }
    };
    let (inviter, org) = tokio::try_join!(by, load_org(ctx, mail.org))?;
    let url = format!("{}/accept-invite?token={}", ctx.settings().site_url, secret.reveal());
    let letter = account::write_invitation(&member, &org, inviter.as_ref(), &url)?;
    Ok(to_member(letter, member))
}

async fn write_receipt(
    ctx: &Ctx,
    mail: &Mail,
    org: OrgId,
    order: pos::order::OrderId,
) -> Result<Addressed, Undelivered> {
    let load = async { Ok(ctx.store().pos().load_order(org, order).await?) };
    let (order, org) = tokio::try_join!(load, load_org(ctx, org))?;
    let order = order.ok_or(Undelivered::NotFound("order"))?;
    if !receipt::has_receipt(&order.order) {
        return Err(Undelivered::NotPaid);
    }
    let letter = receipt::write(&order, &org)?;
    let to = mail.to.clone().or(order.order.customer_email).ok_or(Undelivered::NotWanted("no address was given"))?;
    Ok(Addressed { letter, to, about: ("order", order.order.id.to_string()) })
}

async fn write_weekly_report(
    ctx: &Ctx,
    mail: &Mail,
    user: UserId,
    week: civil::Date,
) -> Result<Addressed, Undelivered> {
    let load = async { Ok(ctx.store().pos().load_weekly_report(mail.org, week).await?) };
    let (member, org, report) = tokio::try_join!(load_reader(ctx, mail, user), load_org(ctx, mail.org), load)?;
    if !member.preferences.weekly_reports {
        return Err(Undelivered::NotWanted("weekly reports are switched off"));
    }
    let report = report.ok_or(Undelivered::NotFound("report"))?;
    let pdf = match &report.pdf {
        Some(key) => load_pdf(ctx, key).await?,
        None => None,
    };
    let letter = weekly::write(&member, &org, &report.figures, pdf, &ctx.settings().dashboard_url)?;
    Ok(to_member(letter, member))
}

/// A drawn report. One that is not there, or may not be read, does not keep back the figures.
async fn load_pdf(ctx: &Ctx, key: &str) -> Result<Option<Vec<u8>>, Undelivered> {
    match ctx.files().get(key).await {
        Ok(Some(pdf)) => Ok(Some(pdf.into())),
        Ok(None) => {
            tracing::error!(key, "report not found, sent without");
            Ok(None)
        }
        Err(FilesError::Unavailable(_)) => Err(Undelivered::NoFile),
        Err(error) => {
            tracing::error!(key, %error, "report not readable, sent without");
            Ok(None)
        }
    }
}

async fn load_org(ctx: &Ctx, org: OrgId) -> Result<Org, Undelivered> {
    ctx.store().load_org(org).await?.ok_or(Undelivered::NotFound("organization"))
}

/// A member of the organization that writes to them, while they are not shut out.
async fn load_reader(ctx: &Ctx, mail: &Mail, user: UserId) -> Result<Member, Undelivered> {
    let member = ctx.store().load_member(user).await?.filter(|member| member.org == mail.org);
    let member = member.ok_or(Undelivered::NotWanted("the user is gone"))?;
    if member.is_active { Ok(member) } else { Err(Undelivered::NotWanted("the user is disabled")) }
}

/// The secret of the link that the e-mail brings.
fn link_secret(ctx: &Ctx, mail: &Mail, purpose: LinkPurpose, id: Uuid) -> Result<LinkSecret, Undelivered> {
    let key_id = mail.link_key.as_deref().ok_or(Undelivered::NotFound("the link's key"))?;
    ctx.link_secret(key_id, purpose, id).ok_or(Undelivered::NoKey)
}

fn to_member(letter: Letter, member: Member) -> Addressed {
    Addressed { letter, to: member.email, about: ("user", member.user.to_string()) }
}
