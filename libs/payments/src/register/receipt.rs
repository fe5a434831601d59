//! Receipts of orders at the counter (contract §9, §10): for cards and for cash.

use domain::{
    ids::OrgId,
    mail::{Mail, MailKey, MailPolicy},
    pos::order::{Edit, FullOrder, Order, OrderId, Status, StepError},
};
use store::StoreError;
use uuid::Uuid;

use super::{ROUNDS, Register, RegisterError};

impl Register<'_> {
    /// Sends the receipt of a paid order to `email` (lower case), whose order it is from now on: a customer of its catalog, in
    /// whose totals it counts once. `id` names the e-mail: one for each request.
    pub async fn send_receipt(
        &self,
        org: OrgId,
        order: OrderId,
        email: &str,
        id: Uuid,
    ) -> Result<FullOrder, RegisterError> {
        let pos = self.store.pos();
        let key = MailKey::Receipt { org, order, id };
        let mail = Mail::new(key, org, MailPolicy::Send, self.now).to(email.to_owned());
        for _ in 0..ROUNDS {
            let full = pos.load_order(org, order).await?.ok_or(RegisterError::NotFound)?;
            let before = &full.order;
            if !is_paid(before) {
                return Err(StepError::Status(before.status).into());
            }
            let edit = Edit { customer_email: Some(Some(email.to_owned())), ..Edit::default() };
            let after = before.edit(edit, self.now)?;
            match pos.send_receipt(before, &after, &mail).await {
                Ok(()) => return Ok(FullOrder { order: after, ..full }),
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
