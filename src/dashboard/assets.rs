//! The files of the page, compiled in.

use super::http::Response;

const HTML: &str = "text/html; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";

macro_rules! files {
    ($($name:literal $content_type:ident)*) => {
        &[$(($name, $content_type, include_str!(concat!("page/", $name)))),*]
    };
}

const FILES: &[(&str, &str, &str)] = files!(
    "index.html" HTML
    "style.css" CSS
    "icon.svg" SVG
    "app.js" JAVASCRIPT
    "choice.js" JAVASCRIPT
    "client.js" JAVASCRIPT
    "live.js" JAVASCRIPT
    "dom.js" JAVASCRIPT
    "format.js" JAVASCRIPT
    "overview.js" JAVASCRIPT
    "jobs.js" JAVASCRIPT
    "failed.js" JAVASCRIPT
    "parts.js" JAVASCRIPT
);

const SVG: &str = "image/svg+xml";

/// A file of the page; `index.html` has the path of the dashboard put in.
pub(super) fn get(name: &str, base: &str) -> Option<Response> {
    let (_, content_type, text) = FILES.iter().find(|(file, ..)| *file == name)?;
    Some(Response::new(200, content_type, text.replace("{{base}}", base)))
}
