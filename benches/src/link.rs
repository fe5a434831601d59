//! A slow link to the cloud, so that calls that do not wait for each other are seen to run at the same time.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

/// How long each answer is on its way: longer than a debug build takes to begin all calls of a round.
const DELAY: Duration = Duration::from_millis(40);

/// The URL of a link to the HTTP server at `url`, `http://127.0.0.1:…`.
pub async fn slow(url: &str) -> anyhow::Result<String> {
    let to = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let link = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let Ok(far) = TcpStream::connect(&to).await else { continue };
            let ((asks, answers_to), (answers, asks_to)) = (near.into_split(), far.into_split());
            tokio::spawn(ask(asks, asks_to));
            tokio::spawn(answer(answers, answers_to));
        }
    });
    Ok(link)
}

async fn ask(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) -> std::io::Result<u64> {
    copy(&mut from, &mut to).await
}

async fn answer(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) -> std::io::Result<()> {
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        tokio::time::sleep(DELAY).await;
        to.write_all(&buffer[..read]).await?;
    }
}
