use super::*;
use proptest::prelude::*;

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

pub(in crate::pos) fn order(total: i64) -> Order {
    let org = OrgId::from_random([1; 16]);
    Order {
        id: OrderId::new(org, now(), 42, 0),
        org,
        version: 0,
        status: Status::Pending,
        method: None,
        subtotal: Cents(total),
        tax: Cents(0),
        tip: Cents(0),
        total: Cents(total),
        paid: Cents(0),
        refunded: Cents(0),
        payments: 0,
        intent: None,
        account: None,
        customer_email: None,
        customer: None,
        catalog: None,
        user: UserId::from_random([2; 16]),
        device: None,
        notes: None,
        hold_name: None,
        held_at: None,
        held_by: None,
        quick_charge: false,
        description: None,
        item_count: 0,
        created_at: now(),
        updated_at: now(),
        completed_at: None,
    }
}

fn card(name: &str, amount: i64) -> Payment {
    Payment::card(Method::TapToPay, name, Cents(amount), now())
}

#[derive(Clone, Debug)]
enum Step {
    Link,
    Decline,
    Card(i64),
    Cash(i64),
    Part(i64),
    Hold,
    Resume,
    Refund(i64),
    UndoRefund,
    Edit(i64, i64),
    Fail,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        Just(Step::Link),
        Just(Step::Decline),
        (0..3000i64).prop_map(Step::Card),
        (0..3000i64).prop_map(Step::Cash),
        (0..1500i64).prop_map(Step::Part),
        Just(Step::Hold),
        Just(Step::Resume),
        (-10..3000i64).prop_map(Step::Refund),
        Just(Step::UndoRefund),
        (0..3000i64, 0..300i64).prop_map(|(subtotal, tip)| Step::Edit(subtotal, tip)),
        Just(Step::Fail),
    ];
    prop::collection::vec(step, 0..30)
}

proptest! {
    /// Whatever happens in whatever order: completed is paid exactly, refunded never above paid, versions rise by one.
    #[test]
    fn the_money_holds_together(total in 0..2000i64, steps in steps()) {
        let mut order = order(total);
        let mut reserved = Cents(0);
        for (i, step) in steps.into_iter().enumerate() {
            let next = match step {
                Step::Link => order.link(&format!("pi_{i}"), None, None, now()).ok(),
                Step::Decline => order.intent.clone().and_then(|intent| order.decline(&intent, now())),
                Step::Card(amount) => match order.settle(&card(&format!("pi_{i}"), amount), now()) {
                    Settlement::Pays(next) => Some(*next),
                    Settlement::Return => None,
                },
                Step::Cash(tendered) => {
                    let due = order.remaining();
                    order.pay_cash(Uuid::nil(), Cents(tendered), now()).ok().map(|(next, payment)| {
                        prop_assert_eq!(payment.cash_change, Some(Cents(tendered) - due));
                        prop_assert!(payment.cash_change >= Some(Cents(0)));
                        Ok(next)
                    }).transpose()?
                }
                Step::Part(amount) => order.pay(&card(&format!("pi_{i}"), amount), now()).ok(),
                Step::Hold => order.hold(order.user, Edit::default(), now()).ok(),
                Step::Resume => order.resume(now()).ok(),
                Step::Refund(amount) => order.refund(Cents(amount), now()).ok().inspect(|_| reserved = Cents(amount)),
                Step::UndoRefund if reserved > Cents(0) => {
                    let next = order.undo_refund(reserved, now());
                    reserved = Cents(0);
                    Some(next)
                }
                Step::UndoRefund => None,
                Step::Edit(subtotal, tip) => {
                    order.edit(Edit { subtotal: Some(Cents(subtotal)), tip: Some(Cents(tip)), ..Edit::default() }, now()).ok()
                }
                Step::Fail => order.fail(now()).ok(),
            };
            if let Some(next) = next {
                prop_assert_eq!(next.version, order.version + 1);
                order = next;
            }
            prop_assert!(order.paid <= order.total);
            prop_assert_eq!(order.check_total(), Ok(()));
            prop_assert_eq!(order.status == Status::Held, order.held_at.is_some());
            prop_assert!(order.refunded >= Cents(0) && order.refunded <= order.paid);
            prop_assert!(order.remaining() >= Cents(0));
            let done = matches!(order.status, Status::Completed | Status::Refunded);
            prop_assert_eq!(done, order.completed_at.is_some());
            if done {
                prop_assert_eq!(order.paid, order.total);
            }
            prop_assert_eq!(order.status == Status::Refunded, done && order.refunded == order.paid && order.paid > Cents(0));
        }
    }

    #[test]
    fn a_refund_is_shared_to_the_cent(amounts in prop::collection::vec(1..1000i64, 1..6), asked in 0..7000i64, before in 0..1000i64) {
        let payments: Vec<Payment> = amounts.iter().enumerate().map(|(i, amount)| card(&format!("pi_{i}"), *amount)).collect();
        let given = Cents(before.min(amounts[0]));
        let earlier = Refund {
            id: Uuid::nil(), payment: payments[0].id, intent: None, amount: given, reason: None,
            status: RefundStatus::Succeeded, reference: None, by: None, created_at: now(),
        };
        let left = payments.iter().map(|payment| payment.amount).sum::<Cents>() - given;
        match share_refund(&payments, std::slice::from_ref(&earlier), Cents(asked)) {
            Ok(shares) => {
                prop_assert_eq!(shares.iter().map(|(_, share)| *share).sum::<Cents>(), Cents(asked));
                for (id, share) in &shares {
                    let payment = payments.iter().find(|payment| payment.id == *id).unwrap();
                    let before = if *id == earlier.payment { earlier.amount } else { Cents(0) };
                    prop_assert!(*share > Cents(0) && *share <= payment.amount - before);
                }
            }
            Err(_) => prop_assert!(asked == 0 || Cents(asked) > left),
        }
    }
}

#[test]
fn a_retried_card_never_pays_twice() {
    let linked = order(1000).link("pi_1", Some("acct_1"), None, now()).unwrap();
    let failed = linked.decline("pi_1", now()).unwrap();
    assert_eq!(failed.status, Status::Failed);
    let relinked = failed.link("pi_2", None, Some(Method::Card), now()).unwrap();
    assert_eq!((relinked.status, relinked.account.as_deref()), (Status::Processing, Some("acct_1")));
    assert_eq!(relinked.decline("pi_1", now()), None, "the first card's late notice says nothing any more");
    let Settlement::Pays(paid) = relinked.settle(&card("pi_2", 1000), now()) else { panic!() };
    assert_eq!((paid.status, paid.method), (Status::Completed, Some(Method::TapToPay)));
    assert_eq!(paid.settle(&card("pi_1", 1000), now()), Settlement::Return);
}

#[test]
fn two_payments_are_a_split() {
    let part = order(1000).pay(&card("pi_1", 400), now()).unwrap();
    assert_eq!((part.status, part.remaining()), (Status::Pending, Cents(600)));
    assert_eq!(part.pay(&card("pi_2", 601), now()), Err(StepError::TooMuch));
    assert_eq!(part.delete(), Err(StepError::Paid), "somebody has paid");
    let dearer = Edit { tip: Some(Cents(1)), ..Edit::default() };
    assert_eq!(part.edit(dearer, now()), Err(StepError::Paid), "nor does it get dearer for the others");
    let renamed = Edit { notes: Some(Some("table 4".into())), total: Some(Cents(1000)), ..Edit::default() };
    assert_eq!(
        part.edit(renamed, now()).unwrap().notes.as_deref(),
        Some("table 4"),
        "the same price is no change of it"
    );
    let whole = part.pay(&Payment::cash(Uuid::nil(), Cents(600), Cents(0), Cents(1000), now()), now()).unwrap();
    assert_eq!((whole.status, whole.method), (Status::Completed, Some(Method::Split)));
    let short = Payment::cash(Uuid::nil(), Cents(600), Cents(0), Cents(599), now());
    assert_eq!(part.pay(&short, now()), Err(StepError::TooLittleCash));
}

#[test]
fn holding_and_resuming() {
    let by = UserId::from_random([3; 16]);
    let named = Edit { hold_name: Some("Ana".into()), tip: Some(Cents(5)), ..Edit::default() };
    let held = order(10).hold(by, named, now()).unwrap();
    assert_eq!((held.status, held.held_by, held.total), (Status::Held, Some(by), Cents(15)));
    assert_eq!(held.hold(by, Edit::default(), now()), Err(StepError::Status(Status::Held)));
    let resumed = held.resume(now()).unwrap();
    assert_eq!((resumed.status, resumed.held_at, resumed.held_by), (Status::Pending, None, None));
    assert_eq!(resumed.hold_name.as_deref(), Some("Ana"), "its name is kept");
    assert!(resumed.resume(now()).is_err());
    assert!(held.delete().is_ok() && resumed.delete().is_ok());
}

#[test]
fn what_an_edit_may_change() {
    let edit = |order: &Order, edit: Edit| order.edit(edit, now());
    let dearer = || Edit { tip: Some(Cents(100)), ..Edit::default() };
    let wrong = Edit { total: Some(Cents(1001)), ..Edit::default() };
    assert_eq!(edit(&order(1000), wrong), Err(StepError::Total));
    let negative = Edit { tip: Some(Cents(-100)), ..Edit::default() };
    assert_eq!(edit(&order(1000), negative), Err(StepError::Total));
    assert_eq!(edit(&order(1000), dearer()).unwrap().total, Cents(1100), "the total follows");
    let linked = order(1000).link("pi_1", None, None, now()).unwrap();
    assert_eq!(edit(&linked, dearer()), Err(StepError::Status(Status::Processing)), "a card is being charged for it");
    let (paid, _) = order(1000).pay_cash(Uuid::nil(), Cents(1000), now()).unwrap();
    assert_eq!(edit(&paid, dearer()), Err(StepError::Status(Status::Completed)));
    let method = Edit { method: Some(Method::Card), ..Edit::default() };
    assert_eq!(edit(&paid, method.clone()), Err(StepError::Status(Status::Completed)), "it was cash");
    assert_eq!(edit(&linked, method).unwrap().method, Some(Method::Card));
    let email = |email: Option<&str>| Edit { customer_email: Some(email.map(str::to_owned)), ..Edit::default() };
    let receipt = edit(&paid, email(Some("ana@example.com"))).unwrap();
    assert_eq!(receipt.customer, Some(customer_id(paid.org, None, "ana@example.com")));
    let none = edit(&receipt, email(None)).unwrap();
    assert_eq!((none.customer, none.customer_email), (None, None));
}

#[test]
fn a_free_order_is_completed_by_no_cash_at_all() {
    let (paid, payment) = order(0).pay_cash(Uuid::nil(), Cents(0), now()).unwrap();
    assert_eq!((paid.status, payment.amount, payment.cash_change), (Status::Completed, Cents(0), Some(Cents(0))));
    let nothing = Payment::cash(Uuid::nil(), Cents(0), Cents(0), Cents(0), now());
    assert_eq!(order(10).pay(&nothing, now()), Err(StepError::TooMuch), "a payment of nothing is none");
}

#[test]
fn what_is_given_up_is_honoured_when_the_card_pays_all_the_same() {
    let failed = order(1000).link("pi_1", None, None, now()).unwrap().fail(now()).unwrap();
    let Settlement::Pays(paid) = failed.settle(&card("pi_1", 1000), now()) else { panic!() };
    assert_eq!(paid.status, Status::Completed);
    assert_eq!(paid.fail(now()), Err(StepError::Status(Status::Completed)));
}
