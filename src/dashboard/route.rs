//! What a method and a path mean. Pure.

use crate::message::JobId;

/// What is asked for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Route<'a> {
    /// A file of the page; every page of the browser is `index.html`.
    Asset(&'a str),
    /// What a page shows.
    Page(Page),
    /// What a button does.
    Act(Act),
    SignIn,
    SignOut,
    /// Whether the server lives.
    Health,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Page {
    Overview,
    Jobs,
    Job(JobId),
    Failed,
    FailedGroups,
    FailedJob(JobId),
    Metrics,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Pause,
    Resume,
    Restart,
    Cancel,
    Retry,
    Forget,
}

/// Finds what a path under the base means.
///
/// # Errors
/// The status: 404, or 405 where the path has another method.
pub(super) fn find<'a>(method: &str, path: &'a str) -> Result<Route<'a>, u16> {
    let path = path.trim_start_matches('/');
    if let Some(act) = act(path) {
        return if method == "POST" { Ok(act) } else { Err(405) };
    }
    let route = match (path, path.split_once('/')) {
        ("healthz", _) => Route::Health,
        ("metrics", _) => Route::Page(Page::Metrics),
        ("" | "jobs" | "failed" | "workers" | "sign-in", _) | (_, Some(("jobs" | "failed", _))) => {
            Route::Asset("index.html")
        }
        (_, Some(("page", file))) => Route::Asset(file),
        (_, Some(("api", what))) => Route::Page(page(what).ok_or(404_u16)?),
        _ => return Err(404),
    };
    if matches!(method, "GET" | "HEAD") { Ok(route) } else { Err(405) }
}

fn page(what: &str) -> Option<Page> {
    Some(match (what, what.split_once('/')) {
        ("overview", _) => Page::Overview,
        ("jobs", _) => Page::Jobs,
        ("failed", _) => Page::Failed,
        ("failed-groups", _) => Page::FailedGroups,
        (_, Some(("jobs", id))) => Page::Job(job_id(id)),
        (_, Some(("failed", id))) => Page::FailedJob(job_id(id)),
        _ => return None,
    })
}

fn act(path: &str) -> Option<Route<'static>> {
    Some(match path {
        "api/sign-in" => Route::SignIn,
        "api/sign-out" => Route::SignOut,
        "api/pause" => Route::Act(Act::Pause),
        "api/resume" => Route::Act(Act::Resume),
        "api/restart" => Route::Act(Act::Restart),
        "api/cancel" => Route::Act(Act::Cancel),
        "api/retry" => Route::Act(Act::Retry),
        "api/forget" => Route::Act(Act::Forget),
        _ => return None,
    })
}

/// An id as it is written: digits are the number of a row.
pub(super) fn job_id(text: &str) -> JobId {
    text.parse().map_or_else(|_| JobId::Text(text.into()), JobId::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_path_has_a_meaning_and_a_method() {
        let page = |page| Ok(Route::Page(page));
        for (method, path, expected) in [
            ("GET", "/", Ok(Route::Asset("index.html"))),
            ("HEAD", "/", Ok(Route::Asset("index.html"))),
            ("GET", "/jobs/41", Ok(Route::Asset("index.html"))),
            ("GET", "/failed", Ok(Route::Asset("index.html"))),
            ("GET", "/page/app.js", Ok(Route::Asset("app.js"))),
            ("GET", "/api/overview", page(Page::Overview)),
            ("GET", "/api/jobs/41", page(Page::Job(JobId::Number(41)))),
            ("GET", "/api/failed/a/b", page(Page::FailedJob(JobId::Text("a/b".into())))),
            ("GET", "/metrics", page(Page::Metrics)),
            ("POST", "/api/retry", Ok(Route::Act(Act::Retry))),
            ("GET", "/api/retry", Err(405)),
            ("POST", "/api/overview", Err(405)),
            ("DELETE", "/", Err(405)),
            ("GET", "/api/nothing", Err(404)),
            ("GET", "/nothing", Err(404)),
        ] {
            assert_eq!(find(method, path), expected, "{method} {path}");
        }
    }
}
