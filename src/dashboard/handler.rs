//! Answers a request: finds what it means, lets it in or refuses it, and has the page or the act do the rest.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use serde::Deserialize;

use super::access::{Access, Refusal, TOKEN_LENGTH, Tries};
use super::http::{Request, Response};
use super::masked_fields::MaskedFields;
use super::route::{Act, Page, Route};
use super::shared::Shared;
use super::snapshot::Snapshots;
use super::{assets, control, failed, jobs, metrics, overview, route};
use crate::error::{Error, Result};
use crate::queue::Queue;

/// The dashboard of a queue. It is shared by all that serve it.
pub struct Dashboard {
    shared: Shared,
    base: String,
    tries: Mutex<Tries>,
}

impl Dashboard {
    /// The dashboard of the queue's default driver, for everybody who reaches it: serve it to this machine only, or set a
    /// [`token`](Dashboard::token).
    pub fn new(queue: Queue) -> Self {
        let shared = Shared {
            drivers: vec![queue.config().default.clone()],
            queue,
            access: Access::default(),
            mask: MaskedFields::default(),
            snapshots: Snapshots::default(),
        };
        Self { shared, base: String::new(), tries: Mutex::default() }
    }

    /// Shows these drivers, the first one at first.
    ///
    /// # Errors
    /// The queue has no such driver.
    pub fn drivers(mut self, names: impl IntoIterator<Item = String>) -> Result<Self> {
        self.shared.drivers = names.into_iter().collect();
        if self.shared.drivers.is_empty() {
            return Err(Error::invalid("a dashboard needs a driver to show"));
        }
        self.shared.drivers.iter().try_for_each(|name| self.shared.queue.describe(Some(name)).map(drop))?;
        Ok(self)
    }

    /// Asks everybody for this token before anything is shown.
    ///
    /// # Errors
    /// It has fewer than 32 letters, or one that is no printable ASCII.
    pub fn token(mut self, token: impl Into<String>) -> Result<Self> {
        let token = token.into();
        if token.len() < TOKEN_LENGTH || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::config(format!(
                "the token of the dashboard needs at least {TOKEN_LENGTH} letters and digits, without spaces"
            ))
            .with_help("make one: openssl rand -hex 32"));
        }
        self.shared.access.token = Some(token);
        Ok(self)
    }

    /// Shows, and refuses every act.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.shared.access.read_only = true;
        self
    }

    /// Answers under this host name too. Without it the dashboard answers as `localhost` and by addresses, so that no
    /// page elsewhere can reach it by a name of its own (DNS rebinding).
    ///
    /// # Errors
    /// It is empty, or has a port or a path.
    pub fn host(mut self, name: impl Into<String>) -> Result<Self> {
        let name = name.into();
        if name.is_empty() || name.contains([':', '/']) || name.contains(char::is_whitespace) {
            return Err(Error::config(format!("{name:?} is no name of a host"))
                .with_help("write it without a scheme and a port: jobs.example.org"));
        }
        self.shared.access.hosts.push(name);
        Ok(self)
    }

    /// The path of the dashboard on its server: `/jobs` when its overview is `/jobs/`.
    ///
    /// # Errors
    /// The path does not begin with a slash, or has other characters than letters, digits, `-`, `_`, `.` and `/`.
    pub fn base_path(mut self, path: &str) -> Result<Self> {
        let path = path.trim_end_matches('/');
        let has_no_dots = path.split('/').skip(1).all(|part| !matches!(part, "" | "." | ".."));
        let is_plain =
            has_no_dots && path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte));
        if !is_plain || !(path.is_empty() || path.starts_with('/')) {
            return Err(Error::config(format!("the base path {path:?} can't be used"))
                .with_help("it begins with a slash, and has letters, digits, -, _, . and /: /jobs"));
        }
        self.base = path.to_owned();
        Ok(self)
    }

    /// Hides the values of these fields of all payloads, at any depth: names, in which `*` stands for any letters. They are
    /// not found by a search either.
    ///
    /// # Errors
    /// A name is empty.
    pub fn mask(mut self, names: impl IntoIterator<Item = String>) -> Result<Self> {
        self.shared.mask = MaskedFields::new(names)?;
        Ok(self)
    }

    /// Answers a request. It opens the back end, and may take as long as that needs.
    pub fn handle(&self, request: &Request) -> Response {
        let answer = self.answer(request);
        let is_head = request.method == "HEAD";
        answer.map_or_else(refused, |response| match is_head {
            true => Response { body: Vec::new(), ..response },
            false => response,
        })
    }

    fn answer(&self, request: &Request) -> Result<Response, Refusal> {
        let path = request.path.strip_prefix(&self.base);
        let Some(path) = path.filter(|path| path.is_empty() || path.starts_with('/')) else {
            return Ok(not_found());
        };
        if path.is_empty() {
            return Ok(Response::text(308, "").with("Location", format!("{}/", self.base)));
        }
        self.shared.access.check_host(request)?;
        let route = match route::find(&request.method, path) {
            Ok(route) => route,
            Err(status) => return Ok(not_here(status)),
        };
        let access = &self.shared.access;
        Ok(match route {
            // What a sign-in needs is shown to everybody; none of it is about jobs.
            Route::Asset(name) => assets::get(name, &self.base).unwrap_or_else(not_found),
            Route::Health => Response::text(200, "ok\n"),
            Route::SignIn => {
                access.check_origin(request)?;
                self.sign_in(request)
            }
            Route::SignOut => {
                access.check_signed_in(request)?;
                access.check_origin(request)?;
                Response::json(&()).with("Set-Cookie", Access::no_cookie(&self.cookie_path()))
            }
            Route::Page(page) => {
                access.check_signed_in(request)?;
                self.show(request, &page).unwrap_or_else(|error| Response::failure(&error))
            }
            Route::Act(act) => {
                access.check_signed_in(request)?;
                access.check_act(request)?;
                self.act(request, act).unwrap_or_else(|error| {
                    log::warn!(target: "craft_queue::dashboard", "{} {act:?} ended in an error: {error}", request.peer);
                    Response::failure(&error)
                })
            }
        })
    }

    fn show(&self, request: &Request, page: &Page) -> Result<Response> {
        let driver = self.shared.driver(request.parameter("driver"))?;
        match page {
            Page::Overview => overview::show(&self.shared, driver),
            Page::Jobs => jobs::list(&self.shared, driver, request),
            Page::Job(id) => jobs::show(&self.shared, driver, id),
            Page::Failed => failed::list(&self.shared, driver, request),
            Page::FailedGroups => failed::groups(&self.shared, driver),
            Page::FailedJob(id) => failed::show(&self.shared, driver, id),
            Page::Metrics => metrics::show(&self.shared),
        }
    }

    fn act(&self, request: &Request, act: Act) -> Result<Response> {
        let (response, done) = match act {
            Act::Pause | Act::Resume | Act::Restart => control::act(&self.shared, request, act),
            Act::Cancel => jobs::cancel(&self.shared, request),
            Act::Retry | Act::Forget => failed::act(&self.shared, request, act),
        }?;
        log::info!(target: "craft_queue::dashboard", "{} {done}", request.peer);
        Ok(response)
    }

    fn sign_in(&self, request: &Request) -> Response {
        #[derive(Deserialize)]
        struct Given {
            token: String,
        }
        let now = Instant::now();
        let given: Given = match request.json() {
            Ok(given) => given,
            Err(error) => return Response::failure(&error),
        };
        // What a try changes is whole at any moment, so that a panic elsewhere spoils nothing.
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        if !tries.may_try(now) {
            let error = Error::other("too many wrong tokens").with_help("wait a minute, and try again");
            return Response::error(429, &error);
        }
        if !self.shared.access.is_token(&given.token) {
            tries.was_wrong(now);
            log::warn!(target: "craft_queue::dashboard", "{} tried a wrong token", request.peer);
            let error = Error::other("this is not the token").with_help(Refusal::SignIn.explain().2);
            return Response::error(401, &error);
        }
        let cookie = Access::cookie(&given.token, &self.cookie_path());
        Response::json(&()).with("Set-Cookie", cookie)
    }

    fn cookie_path(&self) -> String {
        format!("{}/", self.base)
    }
}

fn refused(refusal: Refusal) -> Response {
    let (status, message, help) = refusal.explain();
    Response::error(status, &Error::other(message).with_help(help))
}

fn not_found() -> Response {
    not_here(404)
}

fn not_here(status: u16) -> Response {
    let message = if status == 405 { "this can't be done here" } else { "there is no such page" };
    Response::error(status, &Error::not_found(message).with_help("begin at the overview"))
}
