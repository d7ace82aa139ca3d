//! Printing for people: columns, colours, masks.
