//! Receipts of orders at the counter (contract §9, §10): for cards and for cash.

use domain::{
    ids::OrgId,
    mail::{Mail, MailKey, MailPolicy},
    pos::order::{Edit, FullOrder, Order, OrderId, Status, StepError, payment_id},
};
use store::StoreError;

use super::{ROUNDS, Register, RegisterError};

/// Receipts that are sent of one order: each is a row beside the order's own, for ever.
const MOST: usize = 20;

impl Register<'_> {
    /// Sends the receipt of a paid order to `email` (lower case), whose order it is from now on: a customer of its catalog, in
    /// whose totals it counts once. Nothing when 20 were sent of it: they have names of their own, each of which is created once.
    pub async fn send_receipt(
        &self,
        org: OrgId,
        order: OrderId,
        email: &str,
    ) -> Result<Option<FullOrder>, RegisterError> {
        let pos = self.store.pos();
        for _ in 0..ROUNDS {
            let (full, sent) = tokio::join!(pos.load_order(org, order), pos.list_receipts(org, order, MOST));
            let (full, sent) = (full?.ok_or(RegisterError::NotFound)?, sent?);
            let before = &full.order;
            if !is_paid(before) {
                return Err(StepError::Status(before.status).into());
            }
            let mut names = (0..MOST).map(|nth| payment_id(&format!("receipt\0{org}\0{order}\0{nth}")));
            let Some(id) = names.find(|name| !sent.contains(name)).filter(|_| sent.len() < MOST) else {
                return Ok(None);
            };
            let key = MailKey::Receipt { org, order, id };
            let mail = Mail::new(key, org, MailPolicy::Send, self.now).to(email.to_owned());
            let edit = Edit { customer_email: Some(Some(email.to_owned())), ..Edit::default() };
            let after = before.edit(edit, self.now)?;
            match pos.send_receipt(before, &after, &mail).await {
                Ok(()) => return Ok(Some(FullOrder { order: after, ..full })),
                Err(StoreError::Stale) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::Busy.into())
    }
}

/// An order that nobody has paid anything of has no receipt.
fn is_paid(order: &Order) -> bool {
    !order.paid.is_zero() || matches!(order.status, Status::Completed | Status::Refunded)
}
