//! The Lambda binary of `tickets-checkin`.

fn main() -> Result<(), runtime::BoxError> {
    runtime::serve(tickets_checkin::function())
}
