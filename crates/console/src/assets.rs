//! What the pages load, embedded in the binary.

use std::{borrow::Cow, collections::HashMap, sync::LazyLock};

use axum::{
    extract::Path,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use rust_embed::RustEmbed;

use crate::respond;

/// Our own files.
#[derive(RustEmbed)]
#[folder = "static/"]
struct Own;

/// The packages' files, brought by `build.rs`.
#[derive(RustEmbed)]
#[folder = "$OUT_DIR/assets/"]
struct Packages;

/// A file under its name.
struct Asset {
    bytes: Cow<'static, [u8]>,
    /// The beginning of its digest, so that a browser may keep it forever.
    version: String,
}

static ASSETS: LazyLock<HashMap<String, Asset>> = LazyLock::new(|| {
    let own = Own::iter().filter_map(|name| Some((name.to_string(), Own::get(&name)?)));
    let packages = Packages::iter().filter_map(|name| Some((name.to_string(), Packages::get(&name)?)));
    let asset = |(name, file): (String, rust_embed::EmbeddedFile)| {
        let version = file.metadata.sha256_hash()[..6].iter().map(|byte| format!("{byte:02x}")).collect();
        (name, Asset { bytes: file.data, version })
    };
    own.chain(packages).map(asset).collect()
});

/// The address of a file, with its version.
pub(crate) fn url(name: &str) -> String {
    let version = ASSETS.get(name).map_or("", |asset| asset.version.as_str());
    format!("/console/assets/{name}?v={version}")
}

/// Serves one file.
pub(crate) async fn serve(Path(name): Path<String>) -> Response {
    let Some(asset) = ASSETS.get(&name) else { return respond::not_found() };
    let kind = match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    };
    let mut response = asset.bytes.clone().into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
