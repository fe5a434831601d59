//! An organization, its people and a sale, for the tests of what is written about them.

use domain::{
    ids::{OrgId, UserId},
    member::{Member, Org, Role},
    money::{Cents, Currency},
    pos::{
        order::{FullOrder, Line, Method, Order, OrderId, Payment, Refund, RefundStatus, Status},
        report::{ProductSales, WeeklyFigures},
    },
};
use jiff::{Timestamp, civil};
use uuid::Uuid;

/// What nobody should be able to bring into an e-mail.
pub(crate) const FOREIGN: &str = "<script>alert(1)</script>\r\nBcc: all@example.com\u{0}";

pub(crate) fn now() -> Timestamp {
    "2027-01-15T18:30:00Z".parse().unwrap()
}

pub(crate) fn org() -> Org {
    Org::new(OrgId::from_random([3; 16]), "Lemon & Lime".into(), now())
}

pub(crate) fn member() -> Member {
    let user = UserId::from_random([4; 16]);
    let member =
        Member::new(user, org().id, "ana@example.com".into(), "Ana López".into(), Some(Role::Superadmin), now());
    Member { first_name: Some("Ana".into()), last_name: Some("López".into()), ..member }
}

pub(crate) fn line(name: &str, quantity: u32, unit_price: i64) -> Line {
    Line {
        id: Uuid::nil(),
        product: None,
        catalog_product: None,
        category: None,
        name: name.into(),
        quantity,
        unit_price: Cents(unit_price),
        notes: None,
    }
}

/// `$37.51` by card: three products, tax and tip.
pub(crate) fn sale() -> FullOrder {
    let org = org().id;
    let lines = vec![line("Lemonade, large", 2, 600), line("Grilled cheese", 1, 1150), line("Oat cookie", 3, 250)];
    let order = Order {
        id: OrderId::new(org, now(), 42, 0),
        org,
        version: 2,
        status: Status::Completed,
        method: Some(Method::TapToPay),
        subtotal: Cents(3100),
        tax: Cents(251),
        tip: Cents(400),
        total: Cents(3751),
        paid: Cents(3751),
        refunded: Cents::ZERO,
        payments: 1,
        intent: Some("pi_1".into()),
        account: None,
        customer_email: Some("buyer@example.com".into()),
        customer: None,
        catalog: None,
        user: member().user,
        device: None,
        notes: None,
        hold_name: None,
        held_at: None,
        held_by: None,
        quick_charge: false,
        description: None,
        item_count: 3,
        created_at: now(),
        updated_at: now(),
        completed_at: Some(now()),
    };
    let card = Payment::card(Method::TapToPay, "pi_1", Cents(3751), now());
    let card = Payment { brand: Some("visa".into()), last4: Some("4242".into()), ..card };
    FullOrder { order, lines, payments: vec![card], refunds: vec![] }
}

pub(crate) fn refund(amount: i64, status: RefundStatus) -> Refund {
    Refund {
        id: Uuid::nil(),
        payment: Uuid::nil(),
        intent: None,
        amount: Cents(amount),
        reason: None,
        status,
        reference: None,
        by: None,
        created_at: "2027-01-16T09:05:00Z".parse().unwrap(),
    }
}

pub(crate) fn figures() -> WeeklyFigures {
    let sold = |name: &str, quantity, amount| ProductSales { name: name.into(), quantity, amount: Cents(amount) };
    let mut figures = WeeklyFigures {
        gross: Cents(482_675),
        tax: Cents(32_310),
        tips: Cents(51_240),
        fees: Cents(1_265),
        refunds: Cents(4_500),
        orders: 213,
        top_products: vec![
            sold("Grilled cheese", 121, 139_150),
            sold("Lemonade, large", 204, 122_400),
            sold("Oat cookie", 168, 42_000),
        ],
        ..WeeklyFigures::empty(civil::date(2027, 1, 11), Currency::USD)
    };
    (figures.by_hour[12], figures.by_hour[18], figures.by_hour[19]) = (51, 98, 64);
    figures
}
