//! A real browser: Chromium without a window, driven by its WebDriver (https://www.w3.org/TR/webdriver2/).

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Folder, PATIENCE};

pub struct Browser {
    driver: Child,
    port: u16,
    session: String,
    _profile: Folder,
}

impl Browser {
    pub fn start() -> Self {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver: bash tests/install installs it");
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let started = lines.by_ref().map_while(Result::ok).find_map(|line| {
            line.split("started successfully on port ").nth(1)?.trim_end_matches('.').parse().ok()
        });
        // It must not block on what it says later.
        std::thread::spawn(move || lines.for_each(drop));
        let profile = Folder::new();
        let mut browser = Self { driver, port: started.unwrap(), session: String::new(), _profile: profile };
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
        ];
        let profile = format!("--user-data-dir={}", browser._profile.path().display());
        let arguments: Vec<_> = arguments.iter().copied().chain([&*profile]).collect();
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": {"args": arguments},
            "goog:loggingPrefs": {"browser": "ALL"},
        }}});
        let started = browser.call("POST", "/session", &wanted);
        browser.session = started["sessionId"].as_str().unwrap().to_owned();
        browser
    }

    /// Makes the window so wide, in CSS pixels, and says which colours its user likes.
    pub fn look(&self, width: u32, height: u32, scheme: &str) {
        let mobile = width < 500;
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile});
        self.devtools("Emulation.setDeviceMetricsOverride", &size);
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.devtools("Emulation.setEmulatedMedia", &media);
    }

    pub fn open(&self, url: &str) {
        self.of_session("url", &json!({"url": url}));
    }

    /// The value of an expression in the page.
    pub fn value(&self, expression: &str) -> Value {
        self.of_session("execute/sync", &json!({"script": format!("return {expression}"), "args": []}))
    }

    /// Waits until an expression is true in the page.
    pub fn wait_for(&self, expression: &str) {
        let deadline = Instant::now() + PATIENCE;
        while self.value(&format!("Boolean({expression})")) != json!(true) {
            let text = self.value("document.body.innerText");
            assert!(Instant::now() < deadline, "never {expression}:\n{}", text.as_str().unwrap_or_default());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until the page has this text.
    pub fn wait_for_text(&self, text: &str) {
        self.wait_for(&format!("document.body.innerText.includes({})", json!(text)));
    }

    /// Clicks what a CSS selector finds first, as a person does.
    pub fn click(&self, selector: &str) {
        self.wait_for(&format!("document.querySelector({})", json!(selector)));
        self.with_element("css selector", selector, "click", &json!({}));
    }

    /// Clicks the button or link with this text, or this label.
    pub fn press(&self, text: &str) {
        let found = format!(
            "[...document.querySelectorAll('button, a')].find((one) => one.innerText.trim() === {0} || one.ariaLabel === {0})",
            json!(text)
        );
        self.wait_for(&found);
        let path =
            format!("//*[self::button or self::a][normalize-space(.)={0} or @aria-label={0}]", json!(text));
        self.with_element("xpath", &path, "click", &json!({}));
    }

    /// Types into what a CSS selector finds first.
    pub fn type_into(&self, selector: &str, text: &str) {
        self.wait_for(&format!("document.querySelector({})", json!(selector)));
        self.with_element("css selector", selector, "value", &json!({"text": text}));
    }

    pub fn clear(&self, selector: &str) {
        self.with_element("css selector", selector, "clear", &json!({}));
    }

    /// A picture of the window, as PNG.
    pub fn picture(&self) -> Vec<u8> {
        use base64::Engine as _;
        let path = format!("/session/{}/screenshot", self.session);
        let text = self.call("GET", &path, &Value::Null);
        base64::engine::general_purpose::STANDARD.decode(text.as_str().unwrap()).unwrap()
    }

    /// What the page complained about since it was last asked: errors, and what its policy has forbidden.
    pub fn complaints(&self) -> Vec<String> {
        let entries = self.of_session("se/log", &json!({"type": "browser"}));
        entries
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["message"].as_str().unwrap().to_owned())
            .collect()
    }

    fn with_element(&self, using: &str, value: &str, what: &str, body: &Value) {
        // The page may have changed between the two.
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found = self.try_session("element", &json!({"using": using, "value": value}));
            let done = found.and_then(|found| {
                let id = found.as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned();
                self.try_session(&format!("element/{id}/{what}"), body)
            });
            match done {
                Ok(_) => return,
                Err(error) => assert!(Instant::now() < deadline, "{what} {value}: {error}"),
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn devtools(&self, command: &str, parameters: &Value) {
        self.of_session("goog/cdp/execute", &json!({"cmd": command, "params": parameters}));
    }

    fn of_session(&self, what: &str, body: &Value) -> Value {
        self.try_session(what, body).unwrap_or_else(|error| panic!("{what} {body}: {error}"))
    }

    fn try_session(&self, what: &str, body: &Value) -> Result<Value, Value> {
        self.try_call("POST", &format!("/session/{}/{what}", self.session), body)
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        self.try_call(method, path, body).unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    fn try_call(&self, method: &str, path: &str, body: &Value) -> Result<Value, Value> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )
        .unwrap();
        let mut reader = BufReader::new(stream);
        let (mut line, mut length) = (String::new(), 0);
        while reader.read_line(&mut line).unwrap() > 0 && line != "\r\n" {
            if let Some(given) = line.to_lowercase().strip_prefix("content-length:") {
                length = given.trim().parse().unwrap();
            }
            line.clear();
        }
        let mut answer = vec![0; length];
        reader.read_exact(&mut answer).unwrap();
        let mut answer: Value = serde_json::from_slice(&answer).unwrap();
        let value = answer["value"].take();
        if value.get("error").is_some() { Err(value) } else { Ok(value) }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The browser ends with its session, and the driver with a signal.
        if !self.session.is_empty() {
            let _ = self.try_call("DELETE", &format!("/session/{}", self.session), &Value::Null);
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
