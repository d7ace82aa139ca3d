//! Reads orders: the lines of a CSV file, gathered by order.

use std::collections::HashMap;
use std::path::Path;

use craft_queue::{Error, Result};
use csv::ByteRecord;

use crate::columns::{self as column, Columns};
use crate::money::Cents;
use crate::order::{Customer, Line, MOST_OF_ONE_ITEM, Order};
use crate::records::Records;

/// What a file holds.
pub struct Orders {
    /// In the order in which they first appear.
    pub orders: Vec<Order>,
    /// How many lines were read, the first one not counted.
    pub lines: usize,
    /// What is wrong with lines, each with its number.
    pub complaints: Vec<String>,
    /// How many of these belong to no order, so that no failed job will tell of them.
    pub lost_lines: usize,
    /// Whether the file says what each order comes to.
    pub has_totals: bool,
}

/// The longest number of an order, in bytes: it becomes the name of a file.
const LONGEST_ID: usize = 60;

/// Reads a file.
///
/// # Errors
/// It can't be read, a column is missing, or there is no order in it.
pub fn read(path: &Path) -> Result<Orders> {
    let cannot = || format!("cannot read {}", path.display());
    let text = std::fs::read(path).map_err(|cause| Error::not_found(cannot()).because(&cause))?;
    parse(&text).map_err(|error| error.context(cannot()))
}

fn parse(text: &[u8]) -> Result<Orders> {
    let mut records = Records::of(text);
    let Some(header) = records.next(None)? else { return Err(Error::invalid("it is empty")) };
    let columns = Columns::of(&header.record)?;
    let mut all = Orders {
        orders: Vec::new(),
        lines: 0,
        complaints: Vec::new(),
        lost_lines: 0,
        has_totals: columns.has(column::TOTAL),
    };
    let mut places = HashMap::new();
    while let Some(found) = records.next(Some(columns.count()))? {
        all.lines += 1;
        let complain = |wrong: String| format!("line {}: {wrong}", found.line);
        let id = match order_id(&columns, &found.record) {
            Ok(id) => id,
            Err(wrong) => {
                all.complaints.push(complain(found.wrong.unwrap_or(wrong)));
                all.lost_lines += 1;
                continue;
            }
        };
        let place = *places.entry(id.to_owned()).or_insert(all.orders.len());
        if place == all.orders.len() {
            all.orders.push(Order::nameless(id));
        }
        let order = &mut all.orders[place];
        let added = match found.wrong {
            Some(wrong) => Err(wrong),
            None => order.add(&columns, found.line, &found.record),
        };
        if let Err(wrong) = added {
            // Kept with its order, which must not get an invoice that lacks a line.
            order.unreadable.push(complain(wrong.clone()));
            all.complaints.push(complain(wrong));
        }
    }
    match all.orders.is_empty() && all.complaints.is_empty() {
        true => Err(Error::invalid("there is no order in it")),
        false => Ok(all),
    }
}

fn order_id<'a>(columns: &Columns, record: &'a ByteRecord) -> Result<&'a str, String> {
    let id = columns.required(column::ORDER, record)?;
    match id.len() > LONGEST_ID {
        true => Err(format!("{} has more than {LONGEST_ID} bytes", columns.name(column::ORDER))),
        false => Ok(id),
    }
}

impl Order {
    fn nameless(id: &str) -> Self {
        let customer = Customer {
            name: String::new(),
            email: None,
            address: None,
            city: None,
            postal_code: None,
            country: None,
        };
        let id = id.to_owned();
        Self {
            id,
            customer,
            date: None,
            currency: None,
            total: None,
            lines: Vec::new(),
            unreadable: Vec::new(),
        }
    }

    /// Adds a line. What holds for the whole order comes from its first line that can be read.
    fn add(&mut self, columns: &Columns, number: u64, record: &ByteRecord) -> Result<(), String> {
        let text = |names| columns.field(names, record).map(|field| field.map(str::to_owned));
        let line = Line {
            number,
            item: columns.required(column::ITEM, record)?.to_owned(),
            artist: text(column::ARTIST)?,
            quantity: quantity(columns.name(column::QUANTITY), columns.required(column::QUANTITY, record)?)?,
            unit_price: money(
                columns.name(column::UNIT_PRICE),
                columns.required(column::UNIT_PRICE, record)?,
            )?,
        };
        let name = columns.required(column::CUSTOMER, record)?;
        let total = columns.field(column::TOTAL, record)?;
        let total = total.map(|total| money(columns.name(column::TOTAL), total)).transpose()?;
        match self.lines.first() {
            None => {
                self.date = text(column::DATE)?;
                self.currency = text(column::CURRENCY)?;
                self.customer = Customer {
                    name: name.to_owned(),
                    email: text(column::EMAIL)?,
                    address: text(column::ADDRESS)?,
                    city: text(column::CITY)?,
                    postal_code: text(column::POSTAL_CODE)?,
                    country: text(column::COUNTRY)?,
                };
            }
            // Two customers under one number: nobody must see what the other one bought.
            Some(first) if name != self.customer.name => {
                let (id, other) = (&self.id, &self.customer.name);
                return Err(format!("order {id} is {name}'s here, and {other}'s on line {}", first.number));
            }
            Some(_) => {}
        }
        match (self.total, total) {
            (Some(before), Some(now)) if before != now => {
                return Err(format!(
                    "{} is {now} here, and {before} on a line of order {} before it",
                    columns.name(column::TOTAL),
                    self.id
                ));
            }
            (before, now) => self.total = before.or(now),
        }
        self.lines.push(line);
        Ok(())
    }
}

fn quantity(column: &str, text: &str) -> Result<u32, String> {
    let count = text.parse().ok().filter(|count| (1..=MOST_OF_ONE_ITEM).contains(count));
    count.ok_or_else(|| format!("{column} \"{text}\" is not a whole number from 1 to {MOST_OF_ONE_ITEM}"))
}

fn money(column: &str, text: &str) -> Result<Cents, String> {
    Cents::parse(text).ok_or_else(|| format!("{column} \"{text}\" is not an amount such as 12.50"))
}
