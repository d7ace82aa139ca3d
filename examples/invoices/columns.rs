//! Which column of a file holds what. Files of other people have their own order, and their own names.

use craft_queue::{Error, Result};
use csv::ByteRecord;

/// A column: the names it is known by, the first one being ours.
type Names = &'static [&'static str];

pub const ORDER: Names =
    &["invoice_id", "order_id", "invoice", "order", "order_number", "invoice_number", "id"];
pub const CUSTOMER: Names = &["customer", "customer_name", "name"];
pub const ITEM: Names = &["item", "product", "description", "article"];
pub const QUANTITY: Names = &["quantity", "qty", "count"];
pub const UNIT_PRICE: Names = &["unit_price", "price"];
const REQUIRED: [Names; 5] = [ORDER, CUSTOMER, ITEM, QUANTITY, UNIT_PRICE];

pub const TOTAL: Names = &["invoice_total", "order_total", "total"];
pub const DATE: Names = &["invoice_date", "order_date", "date"];
pub const EMAIL: Names = &["email", "e-mail"];
pub const ADDRESS: Names = &["address", "street"];
pub const CITY: Names = &["city", "town"];
pub const POSTAL_CODE: Names = &["postal_code", "postcode", "zip"];
pub const COUNTRY: Names = &["country"];
pub const ARTIST: Names = &["artist"];
pub const CURRENCY: Names = &["currency"];

pub struct Columns(Vec<String>);

impl Columns {
    /// Reads the first line.
    ///
    /// # Errors
    /// A column that is needed is missing, or stands there twice.
    pub fn of(header: &ByteRecord) -> Result<Self> {
        if header.iter().any(|name| std::str::from_utf8(name).is_err()) {
            return Err(Error::invalid("line 1: it is not UTF-8 text").with_help("save the file as UTF-8"));
        }
        let tidy = |name: &[u8]| String::from_utf8_lossy(name).trim().to_lowercase().replace(' ', "_");
        let columns = Self(header.iter().map(tidy).collect());
        for names in REQUIRED {
            if columns.place(names).is_none() {
                return Err(Error::invalid(format!("line 1: there is no column \"{}\"", names[0]))
                    .with_help(format!("the columns are: {}", columns.0.join(", "))));
            }
        }
        for (place, name) in columns.0.iter().enumerate() {
            if !name.is_empty() && columns.0[..place].contains(name) {
                return Err(Error::invalid(format!("line 1: the column \"{name}\" stands there twice")));
            }
        }
        Ok(columns)
    }

    pub fn count(&self) -> usize {
        self.0.len()
    }

    pub fn has(&self, names: Names) -> bool {
        self.place(names).is_some()
    }

    /// The field of a record, without spaces around it; `None` when it is empty or there is no such column.
    ///
    /// # Errors
    /// It is not UTF-8.
    pub fn field<'a>(&self, names: Names, record: &'a ByteRecord) -> Result<Option<&'a str>, String> {
        let Some(bytes) = self.place(names).and_then(|place| record.get(place)) else { return Ok(None) };
        let text =
            std::str::from_utf8(bytes).map_err(|_| format!("{} is not UTF-8 text", self.name(names)))?;
        Ok(Some(text.trim()).filter(|text| !text.is_empty()))
    }

    /// A field that must not be empty.
    ///
    /// # Errors
    /// It is, or it is not UTF-8.
    pub fn required<'a>(&self, names: Names, record: &'a ByteRecord) -> Result<&'a str, String> {
        self.field(names, record)?.ok_or_else(|| format!("{} is empty", self.name(names)))
    }

    /// What the file calls the column, so that its owner finds it.
    pub fn name(&self, names: Names) -> &str {
        self.place(names).map_or(names[0], |place| &self.0[place])
    }

    fn place(&self, names: Names) -> Option<usize> {
        names.iter().find_map(|name| self.0.iter().position(|column| column == name))
    }
}
