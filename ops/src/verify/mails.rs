//! Invariant 5: every paid order has its e-mail, and every e-mail comes to an end.

use domain::{
    mail::{MailKey, MailStatus},
    tickets::order::OrderStatus,
};

use super::{MailItem, Options, Report, Table, text};

pub(super) fn check(table: &Table<'_>, options: &Options, report: &mut Report) {
    for order in table.orders.values().map(|item| &item.order) {
        let key = MailKey::Ticket { number: order.number };
        let was_paid = matches!(order.status, OrderStatus::Paid | OrderStatus::Refunded);
        match (was_paid, table.mails.contains_key(&key)) {
            (true, false) => report.violation(5, format!("ORDER#{}", order.number), "is paid, and has no e-mail"),
            (false, true) => {
                let detail = format!("is {}, and has a ticket's e-mail", order.status.as_str());
                report.violation(5, format!("ORDER#{}", order.number), detail);
            }
            _ => {}
        }
    }
    for mail in table.mails.values() {
        let entity = format!("{} {}", text(mail.item, "pk"), text(mail.item, "sk"));
        let mut wrong = |invariant, detail: String| report.violation(invariant, &entity, detail);
        check_mail(mail, options, &mut wrong);
        let number = match mail.mail.key {
            MailKey::Ticket { number } => number,
            MailKey::Receipt { org, .. } if org != mail.mail.org => {
                wrong(7, "is the receipt of another organization's order".into());
                continue;
            }
            _ => continue,
        };
        match table.orders.get(&number) {
            None => wrong(5, "its order does not exist".into()),
            Some(item) if item.order.org != mail.mail.org => wrong(7, "its order is another organization's".into()),
            Some(_) => {}
        }
    }
}

fn check_mail(MailItem { mail, item }: &MailItem<'_>, options: &Options, wrong: &mut impl FnMut(u8, String)) {
    if mail.attempts > mail.key.max_attempts() {
        wrong(5, format!("{} tries", mail.attempts));
    }
    // The sweeper reads the key back from the index.
    let name = text(item, "gsi2sk").split_once('#').and_then(|(_, name)| serde_json::from_str(name).ok());
    let listed = text(item, "gsi2pk").starts_with("MAILS#") && name == Some(mail.key);
    match (mail.is_final(), listed) {
        (true, true) => wrong(5, format!("is {}, and listed as unsent", mail.status.as_str())),
        (false, false) => wrong(5, format!("is {}, and not listed: no sweeper finds it", mail.status.as_str())),
        _ => {}
    }
    match (mail.status, mail.lease_until) {
        (MailStatus::Processing, None) => wrong(5, "a worker has it without a lease: nobody can take it over".into()),
        (MailStatus::Sent, _) if mail.sent_at.is_none() => wrong(5, "is sent, at no time".into()),
        _ => {}
    }
    if let Some((now, age)) = options.stuck {
        if !mail.is_final() && mail.created_at + age < now {
            wrong(5, format!("is still {} after {} tries", mail.status.as_str(), mail.attempts));
        }
        if mail.status == MailStatus::Processing && mail.lease_until.is_some_and(|until| until + age < now) {
            wrong(5, "its worker has been silent since its lease was over".into());
        }
    }
}
