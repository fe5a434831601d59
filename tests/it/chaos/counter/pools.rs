//! Tip pools: made, calculated and finalized by several at once.

use serde_json::json;

use super::Asked;
use crate::chaos::world::{PAYOUTS, World};

impl World {
    /// Finalizes a pool: one that is there, or a new one.
    pub(super) async fn share_tips(&self) {
        let pools: Vec<String> = self.told(|told| told.pools.keys().cloned().collect());
        let pool = match self.dice.pick(&pools).filter(|_| self.dice.happens(0.4)) {
            Some(pool) => Some(pool),
            None => self.begin_pool().await,
        };
        if let Some(pool) = pool {
            self.finalize(&pool).await;
        }
    }

    async fn begin_pool(&self) -> Option<String> {
        let shop = self.dice.below(2);
        let today = self.ctx.now().strftime("%Y-%m-%d").to_string();
        let body = json!({"name": "Today", "startDate": today, "endDate": today});
        let reply = self.ask_staff(shop, "/pos/tips/pools", Some(&body)).await;
        if !reply.is(201) {
            return None;
        }
        let pool = reply.text("id");
        self.told(|told| told.pools.insert(pool.clone(), (shop, false)));
        let (owner, seller) = (self.shop(shop).owner, self.shop(shop).seller);
        let members = json!({"members": [{"userId": owner, "hoursWorked": 3}, {"userId": seller, "hoursWorked": 4.5}]});
        self.ask_staff(shop, &format!("/pos/tips/pools/{pool}/members"), Some(&members)).await;
        self.ask_staff(shop, &format!("/pos/tips/pools/{pool}/calculate"), None).await;
        Some(pool)
    }

    /// Finalizes it twice at once, while somebody calculates it anew.
    async fn finalize(&self, pool: &str) {
        let (shop, _) = self.told(|told| told.pools[pool]);
        let (calculate, finalize) =
            (format!("/pos/tips/pools/{pool}/calculate"), format!("/pos/tips/pools/{pool}/finalize"));
        let (_, one, other) = tokio::join!(
            self.ask_staff(shop, &calculate, None),
            self.ask_staff(shop, &finalize, None),
            self.ask_staff(shop, &finalize, None),
        );
        if one.is(200) || other.is(200) {
            self.told(|told| told.pools.insert(pool.to_owned(), (shop, true)));
        }
        if self.dice.happens(0.5) {
            // The stream says things twice.
            let payout = json!({"kind": "pool", "org": self.shop(shop).org, "pool": pool}).to_string();
            (0..2).for_each(|_| self.wire.queues.send(PAYOUTS, payout.clone(), 0));
            tokio::join!(self.work(PAYOUTS), self.work(PAYOUTS));
        }
    }

    async fn ask_staff(&self, shop: usize, path: &str, body: Option<&serde_json::Value>) -> super::Reply {
        let owner = Some(self.shop(shop).owner);
        self.ask(&self.counter().staff, owner, "POST", path, Asked { key: None, body }).await
    }
}
