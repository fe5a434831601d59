//! The secrets of a local cloud: made once, kept where data is kept, and never those of a deployment.

use std::{collections::BTreeMap, path::Path};

use anyhow::Context as _;

use crate::stripe;

/// Makes a secret.
type Make = fn() -> String;

/// Secrets by their setting's name. What an earlier start made is kept; what is missing is made now.
pub fn ensure(data_dir: Option<&Path>) -> anyhow::Result<BTreeMap<String, String>> {
    let file = data_dir.map(|dir| dir.join("secrets.json"));
    let kept = file.as_ref().and_then(|file| std::fs::read(file).ok());
    let mut secrets: BTreeMap<String, String> =
        kept.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
    let before = secrets.len();
    let fresh: [(&str, Make); 7] = [
        ("STRIPE_SECRET_KEY", || stripe::SECRET_KEY.to_owned()),
        ("TICKETS_WEBHOOK_SECRETS", || format!("whsec_{}", random())),
        ("STRIPE_WEBHOOK_SECRETS", || format!("whsec_{}", random())),
        ("STRIPE_CONNECT_WEBHOOK_SECRETS", || format!("whsec_{}", random())),
        ("QR_KEYS", || format!("local:{}", random())),
        ("UPLOAD_SECRET", random),
        ("SERVICE_TOKEN_KEYS", || format!("local:{}", random())),
    ];
    for (name, make) in fresh {
        secrets.entry(name.to_owned()).or_insert_with(make);
    }
    if let Some(file) = file.filter(|_| secrets.len() > before) {
        write_private(&file, &serde_json::to_vec_pretty(&secrets)?)?;
    }
    Ok(secrets)
}

/// Writes a file that only its owner reads.
pub fn write_private(file: &Path, content: &[u8]) -> anyhow::Result<()> {
    use std::io::Write as _;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file_handle = options.open(file).with_context(|| format!("writing {}", file.display()))?;
    file_handle.write_all(content).with_context(|| format!("writing {}", file.display()))
}

fn random() -> String {
    hex::encode(rand::random::<[u8; 32]>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_stay_what_they_are() {
        let dir = std::env::temp_dir().join(format!("fairground-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir_all(&dir).unwrap();
        let first = ensure(Some(&dir)).unwrap();
        assert_eq!(ensure(Some(&dir)).unwrap(), first);
        assert_ne!(ensure(None).unwrap(), first);
        // These two are their stand-ins' to give.
        let given = ["USER_POOL_CLIENT_SECRET", "GOOGLE_SERVICE_ACCOUNT"];
        for name in runtime::Settings::SECRET_NAMES.iter().filter(|name| !given.contains(name)) {
            assert!(!first[*name].is_empty(), "{name}");
        }
        std::fs::remove_dir_all(dir).unwrap();
    }
}
