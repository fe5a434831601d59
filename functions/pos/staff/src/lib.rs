//! Staff, tips, revenue splits (contract `pos.md` §11-§13).

mod pools;
mod read;
mod splits;
mod staff;
mod tips;

use runtime::{Function, Routes, Surface, routes};

/// The function.
pub fn function() -> Function {
    Function::http(
        Surface::Pos,
        Routes::new()
            .routes(routes!(staff::list_staff, staff::invitation::invite_staff))
            .routes(routes!(staff::show_staff, staff::update_staff, staff::disable_staff))
            .routes(routes!(staff::invitation::accept_invitation))
            .routes(routes!(staff::invitation::resend_invitation))
            .routes(routes!(staff::avatar::upload_staff_avatar, staff::avatar::delete_staff_avatar))
            .routes(routes!(pools::list_pools, pools::create_pool))
            .routes(routes!(pools::show_pool, pools::update_pool, pools::delete_pool))
            .routes(routes!(pools::members::save_pool_members))
            .routes(routes!(pools::members::remove_pool_member))
            .routes(routes!(pools::calculate_pool))
            .routes(routes!(pools::finalize_pool))
            .routes(routes!(tips::show_tip_report))
            .routes(routes!(tips::list_staff_tips))
            .routes(routes!(splits::list_splits, splits::create_split))
            .routes(routes!(splits::report::show_split_report))
            .routes(routes!(splits::update_split, splits::delete_split)),
    )
}
