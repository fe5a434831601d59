//! Many at once: conditions decide, and the figures add up.

use std::sync::Arc;

use domain::{
    mail::MailPolicy,
    stock::Stripe,
    tickets::order::{Order, OrderStatus},
};
use store::{PlaceError, StoreError};

use crate::world::*;

/// Runs `count` tasks at once and collects what they return.
async fn at_once<T, F, Fut>(count: usize, task: F) -> Vec<T>
where
    T: Send + 'static,
    F: Fn(usize) -> Fut,
    Fut: Future<Output = T> + Send + 'static,
{
    let tasks: Vec<_> = (0..count).map(|i| tokio::spawn(task(i))).collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.unwrap());
    }
    results
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn forty_buyers_of_ten_tickets() {
    let world = Arc::new(World::new().await);
    let event = world.on_sale(&[10]).await;
    let placed = at_once(40, |_| {
        let (world, event) = (world.clone(), event.clone());
        async move { world.place(&event, 0, 1).await }
    })
    .await;
    assert_eq!(placed.iter().filter(|order| order.is_ok()).count(), 10);
    for refused in placed.into_iter().filter_map(Result::err) {
        assert!(matches!(refused, PlaceError::SoldOut(_)), "{refused:?}");
    }
    assert_eq!(world.stock(&event, 0).await, Stripe { held: 10, pending: 10, ..Stripe::default() });
    world.check_stock(event.id).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_left_while_somebody_was_refused() {
    let world = Arc::new(World::new().await);
    let event = world.on_sale(&[50]).await;
    let wanted = |i: usize| (i % 3 + 1) as u32;
    let placed = at_once(60, |i| {
        let (world, event) = (world.clone(), event.clone());
        async move { (wanted(i), world.place(&event, 0, wanted(i)).await) }
    })
    .await;
    let sold: u32 = placed.iter().filter(|(_, order)| order.is_ok()).map(|(wanted, _)| wanted).sum();
    let left = 50 - sold;
    assert_eq!(world.stock(&event, 0).await.available, i64::from(left));
    for (wanted, refused) in placed.into_iter().filter(|(_, order)| order.is_err()) {
        assert!(matches!(refused, Err(PlaceError::SoldOut(_))), "{refused:?}");
        assert!(left < wanted, "refused {wanted} while {left} are left");
    }
    world.check_stock(event.id).await;
}

/// Payment, cancellation, expiry: one of them wins, the others find it done.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_all_steps_out_of_pending_one_is_taken() {
    let world = Arc::new(World::new().await);
    let event = world.on_sale(&[40]).await;
    for round in 0..6 {
        let order = world.place(&event, 0, 6).await.unwrap();
        let steps = at_once(9, |i| {
            let (store, order) = (world.store.clone(), order.clone());
            async move {
                match (i + round) % 3 {
                    0 => store.confirm_order(&order, &payment("pi_1"), MailPolicy::Send, None, now()).await,
                    1 => store.release_order(&order, OrderStatus::Cancelled, None).await,
                    _ => store.release_order(&order, OrderStatus::Expired, None).await,
                }
            }
        })
        .await;
        assert_eq!(steps.iter().filter(|step| step.is_ok()).count(), 1);
        assert!(steps.iter().all(|step| matches!(step, Ok(()) | Err(StoreError::Stale))), "{steps:?}");
        world.check_stock(event.id).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_refunds_and_late_payments_one_is_made() {
    let world = Arc::new(World::new().await);
    let event = world.on_sale(&[20]).await;
    let paid = world.paid(&event, 0, 3).await;
    let refunds = at_once(8, |_| {
        let (store, paid) = (world.store.clone(), paid.clone());
        async move { store.refund_order(&paid, None).await }
    })
    .await;
    assert_eq!(refunds.iter().filter(|refund| refund.is_ok()).count(), 1);
    world.check_stock(event.id).await;

    let late = world.place(&event, 0, 3).await.unwrap();
    world.store.release_order(&late, OrderStatus::Expired, None).await.unwrap();
    let claims = at_once(8, |_| {
        let (store, late) = (world.store.clone(), late.clone());
        async move { store.reclaim_order(&late, &payment("pi_1"), now()).await }
    })
    .await;
    assert_eq!(claims.iter().filter(|claim| claim.is_ok()).count(), 1);
    world.check_stock(event.id).await;
}

/// Late payments of several expired orders meet new buyers at the last tickets.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn late_payments_and_new_buyers_share_what_is_left() {
    let world = Arc::new(World::new().await);
    let event = world.on_sale(&[12]).await;
    let mut late: Vec<Order> = Vec::new();
    for _ in 0..6 {
        late.push(world.place(&event, 0, 2).await.unwrap());
    }
    for order in &late {
        world.store.release_order(order, OrderStatus::Expired, None).await.unwrap();
    }
    let taken = at_once(12, |i| {
        let (world, event, late) = (world.clone(), event.clone(), late[i / 2].clone());
        async move {
            match i % 2 {
                0 => world.place(&event, 0, 2).await.map(drop),
                _ => world.store.reclaim_order(&late, &payment("pi_1"), now()).await,
            }
        }
    })
    .await;
    assert_eq!(taken.iter().filter(|taken| taken.is_ok()).count(), 6);
    assert_eq!(world.stock(&event, 0).await.available, 0);
    world.check_stock(event.id).await;
}

/// The capacity goes up and down under the buyers' feet.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn capacity_changes_while_selling() {
    let world = Arc::new(World::new().await);
    let event = world.on_sale(&[30]).await;
    let selling = at_once(4, |seller| {
        let (world, event) = (world.clone(), event.clone());
        async move {
            if seller == 0 {
                for quantity in [35, 12, 3, 40, 28] {
                    let before = world.store.load_event(event.id).await.unwrap().unwrap();
                    let mut wish = before.clone();
                    wish.tiers[0].quantity = quantity;
                    world.store.edit_event(&before, &wish, &audit(&format!("to-{quantity}"))).await.unwrap();
                }
                return 0;
            }
            let mut sold = 0;
            for i in 0..8 {
                let Ok(order) = world.place(&event, 0, i % 3 + 1).await else { continue };
                if i % 4 == 0 {
                    world.store.release_order(&order, OrderStatus::Cancelled, None).await.unwrap();
                } else {
                    sold += order.quantity;
                }
            }
            sold
        }
    })
    .await;
    let sold: u32 = selling.iter().sum();
    let stock = world.stock(&event, 0).await;
    assert_eq!(stock.held, i64::from(sold));
    assert_eq!(stock.capacity(), i64::from(sold.max(28)), "the last wish, or what was sold by then");
    world.check_stock(event.id).await;
}

/// A tier is deleted in the moment in which somebody buys of it: either happens, never both.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_tier_is_deleted_or_sold() {
    let world = Arc::new(World::new().await);
    for _ in 0..8 {
        let event = world.on_sale(&[8, 3]).await;
        let mut wish = event.clone();
        wish.tiers.truncate(1);
        let (edited, placed) = tokio::join!(
            {
                let (world, event, wish) = (world.clone(), event.clone(), wish.clone());
                let entry = audit(&format!("edited-{}", event.id));
                tokio::spawn(async move { world.store.edit_event(&event, &wish, &entry).await })
            },
            {
                let (world, event) = (world.clone(), event.clone());
                tokio::spawn(async move { world.place(&event, 1, 2).await })
            },
        );
        let (edited, placed) = (edited.unwrap().unwrap(), placed.unwrap());
        assert_eq!(edited.tiers.len() == 2, placed.is_ok(), "{placed:?}");
        assert_eq!(world.stock(&event, 1).await.held, if placed.is_ok() { 2 } else { 0 });
        world.check_stock(event.id).await;
    }
}
