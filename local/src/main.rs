//! `cargo run`: the whole cloud in one process.

use std::{
    io::{Write as _, stderr},
    process::ExitCode,
};

#[tokio::main]
async fn main() -> ExitCode {
    match local::cli::run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // What went wrong and why, in one line; where in our code it was noticed helps nobody here.
            drop(writeln!(stderr(), "{error:#}"));
            ExitCode::FAILURE
        }
    }
}
