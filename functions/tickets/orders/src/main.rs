//! The Lambda binary of `tickets-orders`.

fn main() -> Result<(), runtime::BoxError> {
    runtime::serve(tickets_orders::function())
}
