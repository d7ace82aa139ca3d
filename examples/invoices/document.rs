//! The invoice as a page that prints well.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::money::Cents;
use crate::order::{Customer, Line, Order};

const STYLE: &str = include_str!("invoice.css");
const SELLER: &str = "The Craft Shop";
const SELLER_ADDRESS: [&str; 2] = ["1 Example Street", "Exampletown"];

/// Where the invoice of an order lies.
pub fn path(folder: &Path, order_id: &str) -> PathBuf {
    folder.join(format!("invoice-{}.html", file_name(order_id)))
}

/// Writes the invoice, whole or not at all: the job may run twice, even at the same time, and a reader
/// never sees half a page.
pub fn write(folder: &Path, order: &Order, total: Cents) -> io::Result<()> {
    let draft = folder.join(format!(".{}.tmp", craft_queue::new_uuid()));
    let written = File::create(&draft).and_then(|mut file| {
        file.write_all(page(order, total).as_bytes())?;
        // A job that is done must have left its document, also after a power cut.
        file.sync_all()
    });
    let written = written.and_then(|()| fs::rename(&draft, path(folder, &order.id)));
    if written.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_file(&draft);
    }
    written
}

/// An order's number may be any text: what is not plain in a file's name becomes `~` and its code.
fn file_name(id: &str) -> String {
    let mut name = String::new();
    for byte in id.bytes() {
        match byte {
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'-' | b'_' => name.push(char::from(byte)),
            _ => name.push_str(&format!("~{byte:02X}")),
        }
    }
    name
}

fn page(order: &Order, total: Cents) -> String {
    let id = escape(&order.id);
    let name = escape(&order.customer.name);
    let address = address(&order.customer);
    let date = order.date.as_deref().map(date).unwrap_or_default();
    let currency = order.currency.as_deref().map(|code| format!(" {}", escape(code))).unwrap_or_default();
    let lines: String = order.lines.iter().map(row).collect();
    let seller_address = SELLER_ADDRESS.join("<br>");
    format!(
        r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Invoice {id} · {name}</title>
<style>
{STYLE}</style>
</head>
<body>
<main>
<header>
<p class="seller">{SELLER}</p>
<p class="seller-address">{seller_address}</p>
</header>
<section class="top">
<div>
<p class="label">Billed to</p>
<address>{address}</address>
</div>
<dl>
<dt class="label">Number</dt><dd>{id}</dd>
{date}</dl>
</section>
<h1>Invoice <span class="number">{id}</span></h1>
<table>
<thead>
<tr class="label"><th>Item</th><th class="count">Quantity</th><th class="count">Unit price</th><th class="count">Amount</th></tr>
</thead>
<tbody>
{lines}</tbody>
</table>
<p class="sum"><span class="label">Total{currency}</span> <span class="total">{total}</span></p>
<footer>Please give the number of the invoice with your payment. Thank you.</footer>
</main>
</body>
</html>
"#
    )
}

fn row(line: &Line) -> String {
    let artist =
        line.artist.as_deref().map(|artist| format!(" <span class=\"artist\">{}</span>", escape(artist)));
    let mut row = String::from("<tr>");
    let _ = write!(row, "<td class=\"item\">{}{}</td>", escape(&line.item), artist.unwrap_or_default());
    for count in [line.quantity.to_string(), line.unit_price.to_string(), line.amount().to_string()] {
        // A true minus is as wide as a digit.
        let _ = write!(row, "<td class=\"count\">{}</td>", count.replace('-', "−"));
    }
    row + "</tr>\n"
}

fn address(customer: &Customer) -> String {
    let mut lines = vec![format!("<span class=\"name\">{}</span>", escape(&customer.name))];
    lines.extend(customer.address.as_deref().map(escape));
    lines.extend(town(customer).map(|town| escape(&town)));
    lines.extend(customer.country.as_deref().map(escape));
    let email = customer.email.as_deref();
    let email = email.map(|email| format!("<span class=\"email\">{}</span>", escape(email)));
    lines.join("<br>\n") + &email.unwrap_or_default()
}

/// The postal code stands behind the town where English is spoken, and before it elsewhere.
fn town(customer: &Customer) -> Option<String> {
    match (customer.city.as_deref(), customer.postal_code.as_deref()) {
        (Some(city), Some(code)) => Some(match customer.country.as_deref() {
            Some("USA" | "United States" | "Canada" | "United Kingdom" | "Ireland" | "Australia") => {
                format!("{city} {code}")
            }
            _ => format!("{code} {city}"),
        }),
        (city, code) => city.or(code).map(str::to_owned),
    }
}

/// `2007-03-06` is shown as `6 March 2007`; a date in any other form stays as it is.
fn date(text: &str) -> String {
    let shown = match text.parse::<jiff::civil::Date>() {
        Ok(date) => date.strftime("%-d %B %Y").to_string(),
        Err(_) => escape(text),
    };
    format!("<dt class=\"label\">Date</dt><dd>{shown}</dd>\n")
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}
