//! Buckets and objects. With a directory, each object is two files: its bytes, and what is known of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::http::StatusCode;
use bytes::Bytes;
use jiff::Timestamp;
use md5::Md5;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::aws::clock;
use crate::aws::disk::{self, Data};
use crate::aws::wire::Fault;

/// An object's description.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Object {
    pub key: String,
    /// Bytes.
    pub size: usize,
    /// MD5 in quotes, as a header shows it.
    pub etag: String,
    /// Milliseconds since 1970.
    modified_at: i64,
    /// Headers that came with the upload and go with the download.
    pub headers: Vec<(String, String)>,
    /// `x-amz-checksum-…` headers, in base64.
    pub checksums: Vec<(String, String)>,
    /// The bytes, when they are not in a file.
    #[serde(skip)]
    body: Option<Bytes>,
}

impl Object {
    pub fn modified_at(&self) -> Timestamp {
        Timestamp::from_millisecond(self.modified_at).unwrap_or_default()
    }
}

/// What is to be stored.
pub(super) struct Upload {
    pub body: Bytes,
    pub headers: Vec<(String, String)>,
    pub checksums: Vec<(String, String)>,
}

#[derive(Default)]
struct Bucket {
    objects: BTreeMap<String, Object>,
    /// Documents such as `cors` or `policy`, as they were put.
    settings: BTreeMap<String, String>,
}

/// All buckets of the endpoint.
pub(super) struct Store {
    dir: Option<PathBuf>,
    buckets: Mutex<BTreeMap<String, Bucket>>,
}

impl Store {
    /// Opens the store and reads the descriptions of the objects that are there.
    pub fn open(data: &Data) -> anyhow::Result<Self> {
        let dir = data.path("s3");
        let mut buckets = BTreeMap::new();
        if let Some(dir) = &dir {
            std::fs::create_dir_all(dir)?;
            for entry in std::fs::read_dir(dir)? {
                let entry = entry?;
                buckets.insert(entry.file_name().to_string_lossy().into_owned(), read_bucket(&entry.path())?);
            }
        }
        Ok(Self { dir, buckets: Mutex::new(buckets) })
    }

    pub fn buckets(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }

    /// Creates a bucket; one that is there already is kept as it is.
    pub fn create_bucket(&self, name: &str) -> Result<(), Fault> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
        if !(3..=63).contains(&name.len()) || !name.chars().all(allowed) || name.starts_with(['.', '-']) {
            return Err(Fault::new("InvalidBucketName", "The specified bucket is not valid."));
        }
        if let Some(dir) = &self.dir {
            std::fs::create_dir_all(dir.join(name)).map_err(Fault::internal)?;
        }
        self.lock().entry(name.to_owned()).or_default();
        Ok(())
    }

    pub fn delete_bucket(&self, name: &str) -> Result<(), Fault> {
        let mut buckets = self.lock();
        if !buckets.get(name).ok_or_else(no_such_bucket)?.objects.is_empty() {
            return Err(Fault::with_status(
                StatusCode::CONFLICT,
                "BucketNotEmpty",
                "The bucket you tried to delete is not empty",
            ));
        }
        if let Some(dir) = &self.dir {
            std::fs::remove_dir_all(dir.join(name)).map_err(Fault::internal)?;
        }
        buckets.remove(name);
        Ok(())
    }

    /// Fails when there is no such bucket.
    pub fn check(&self, bucket: &str) -> Result<(), Fault> {
        self.lock().get(bucket).map(|_| ()).ok_or_else(no_such_bucket)
    }

    pub fn set(&self, bucket: &str, setting: &str, document: Option<String>) -> Result<(), Fault> {
        let mut buckets = self.lock();
        let settings = &mut buckets.get_mut(bucket).ok_or_else(no_such_bucket)?.settings;
        match document {
            Some(document) => settings.insert(setting.to_owned(), document),
            None => settings.remove(setting),
        };
        Ok(())
    }

    pub fn setting(&self, bucket: &str, setting: &str) -> Result<String, Fault> {
        let buckets = self.lock();
        let settings = &buckets.get(bucket).ok_or_else(no_such_bucket)?.settings;
        settings.get(setting).cloned().ok_or_else(|| {
            let text = format!("The bucket has no {setting} configuration");
            Fault::with_status(StatusCode::NOT_FOUND, "NoSuchConfiguration", text)
        })
    }

    /// Stores an object, in place of an older one unless `only_new`.
    pub fn put(&self, bucket: &str, key: &str, upload: Upload, only_new: bool) -> Result<Object, Fault> {
        let mut buckets = self.lock();
        let objects = &mut buckets.get_mut(bucket).ok_or_else(no_such_bucket)?.objects;
        if only_new && objects.contains_key(key) {
            let text = "At least one of the pre-conditions you specified did not hold";
            return Err(Fault::with_status(StatusCode::PRECONDITION_FAILED, "PreconditionFailed", text));
        }
        let mut object = Object {
            key: key.to_owned(),
            size: upload.body.len(),
            etag: format!("\"{}\"", hex::encode(Md5::digest(&upload.body))),
            modified_at: clock::now().as_millisecond(),
            headers: upload.headers,
            checksums: upload.checksums,
            body: None,
        };
        match self.file(bucket, key) {
            Some(file) => write(&file, &upload.body, &object).map_err(Fault::internal)?,
            None => object.body = Some(upload.body),
        }
        objects.insert(key.to_owned(), object.clone());
        Ok(object)
    }

    pub fn object(&self, bucket: &str, key: &str) -> Result<Object, Fault> {
        let buckets = self.lock();
        let objects = &buckets.get(bucket).ok_or_else(no_such_bucket)?.objects;
        objects
            .get(key)
            .cloned()
            .ok_or_else(|| Fault::with_status(StatusCode::NOT_FOUND, "NoSuchKey", "The specified key does not exist."))
    }

    /// The bytes of an object.
    pub fn read(&self, bucket: &str, object: &Object) -> Result<Bytes, Fault> {
        match (&object.body, self.file(bucket, &object.key)) {
            (Some(body), _) => Ok(body.clone()),
            (None, Some(file)) => std::fs::read(file).map(Bytes::from).map_err(Fault::internal),
            (None, None) => Err(Fault::internal("an object without bytes")),
        }
    }

    /// Deletes an object. One that is not there is no error, as on AWS.
    pub fn delete(&self, bucket: &str, key: &str) -> Result<(), Fault> {
        let mut buckets = self.lock();
        let objects = &mut buckets.get_mut(bucket).ok_or_else(no_such_bucket)?.objects;
        if let (Some(_), Some(file)) = (objects.remove(key), self.file(bucket, key)) {
            std::fs::remove_file(description_of(&file))
                .and_then(|()| std::fs::remove_file(file))
                .map_err(Fault::internal)?;
        }
        Ok(())
    }

    /// The descriptions of a bucket's objects, by key.
    pub fn keys(&self, bucket: &str) -> Result<Vec<Object>, Fault> {
        let buckets = self.lock();
        Ok(buckets.get(bucket).ok_or_else(no_such_bucket)?.objects.values().cloned().collect())
    }

    /// The file of an object's bytes. Named by a hash: keys may be longer than file names, and hold `..`.
    fn file(&self, bucket: &str, key: &str) -> Option<PathBuf> {
        Some(self.dir.as_ref()?.join(bucket).join(hex::encode(Sha256::digest(key))))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Bucket>> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn description_of(file: &Path) -> PathBuf {
    file.with_extension("json")
}

/// The bytes first: an object without a description does not exist, a description without bytes would be broken.
fn write(file: &Path, body: &Bytes, object: &Object) -> std::io::Result<()> {
    disk::replace(file, body)?;
    disk::replace(&description_of(file), &serde_json::to_vec(object)?)
}

fn read_bucket(dir: &Path) -> anyhow::Result<Bucket> {
    let mut bucket = Bucket::default();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "json")
            && let Some(object) = disk::read_json::<Object>(&path)?
        {
            bucket.objects.insert(object.key.clone(), object);
        }
    }
    Ok(bucket)
}

fn no_such_bucket() -> Fault {
    Fault::with_status(StatusCode::NOT_FOUND, "NoSuchBucket", "The specified bucket does not exist")
}
