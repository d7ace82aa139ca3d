//! `examples/invoices`, run as a newcomer runs it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{fs, str};

/// What one run said and left.
struct Run {
    code: Option<i32>,
    said: String,
    folder: PathBuf,
    _keep: tempfile::TempDir,
}

impl Run {
    fn invoices(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.folder).expect("the folder is there");
        let mut paths: Vec<_> = entries.map(|entry| entry.expect("can be listed").path()).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "html"));
        paths.sort();
        paths
    }

    fn invoice(&self, name: &str) -> String {
        fs::read_to_string(self.folder.join(name)).expect(name)
    }

    #[track_caller]
    fn says(&self, text: &str) {
        assert!(self.said.contains(text), "\"{text}\" is not in:\n{}", self.said);
    }
}

fn example() -> Command {
    let test = std::env::current_exe().expect("this test has a path");
    let built = test.parent().and_then(Path::parent).expect("it lies in target/debug/deps");
    let example = built.join("examples/invoices").with_extension(std::env::consts::EXE_EXTENSION);
    assert!(example.exists(), "{} is not there: cargo build --example invoices", example.display());
    Command::new(example)
}

fn run(file: &Path, folder: &Path) -> Output {
    example().arg(file).arg(folder).output().expect("the example runs")
}

fn run_on(csv: &[u8]) -> Run {
    let keep = tempfile::tempdir().expect("a temporary folder");
    let (file, folder) = (keep.path().join("orders.csv"), keep.path().join("invoices"));
    fs::write(&file, csv).expect("can be written");
    let output = run(&file, &folder);
    Run { code: output.status.code(), said: said(&output), folder, _keep: keep }
}

fn said(output: &Output) -> String {
    let texts = [&output.stdout, &output.stderr].map(|text| str::from_utf8(text).expect("it says text"));
    texts.concat()
}

fn shipped() -> Vec<u8> {
    fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/orders.csv")).expect("is shipped")
}

/// The total on a page, in cents.
fn total(page: &str) -> i64 {
    let (_, rest) = page.split_once("<span class=\"total\">").expect("a page has a total");
    let (total, _) = rest.split_once('<').expect("and its end");
    total.replace('.', "").parse().expect("in cents")
}

#[test]
fn every_shipped_order_has_its_invoice_and_the_spoiled_one_tells_its_story() {
    let run = run_on(&shipped());
    assert_eq!(run.code, Some(0), "{}", run.said);
    assert_eq!(run.invoices().len(), 60);
    let totals = run.invoices().into_iter().map(|path| total(&fs::read_to_string(&path).expect("a page")));
    assert_eq!(totals.sum::<i64>(), 32_175, "the sum of all orders");
    for text in [
        "60 orders in 325 lines",
        "60 CreateInvoice pushed onto \"invoices\"",
        "order 17: attempt 3 of 3 failed, kept with the failed jobs",
        "59 done, 1 failed",
        "#1 CreateInvoice {\"order_id\":\"17\"} after 3 attempts",
        "its lines add up to 15.84, but its total says 5.94",
        "mended order 17: on line 87 the quantity is 1, not 11",
        "#1 is back on \"invoices\"",
        "60 of 60 invoices",
    ] {
        run.says(text);
    }
    assert_eq!(total(&run.invoice("invoice-17.html")), 594);
    assert!(run.invoice("invoice-10.html").contains("Chico Science &amp; Nação Zumbi"));
}

#[test]
fn a_second_run_does_the_same() {
    let keep = tempfile::tempdir().expect("a temporary folder");
    let file = keep.path().join("orders.csv");
    fs::write(&file, shipped()).expect("can be written");
    for _ in 0..2 {
        let output = run(&file, keep.path());
        assert!(output.status.success(), "{}", said(&output));
        assert!(said(&output).contains("59 done, 1 failed"), "{}", said(&output));
        assert!(said(&output).contains("60 of 60 invoices"), "{}", said(&output));
    }
}

#[test]
fn the_columns_may_stand_in_any_order_with_others_between_them() {
    let run = run_on(
        "\u{feff}Notes;Total;Qty;Customer;Description;Order ID;Price\r\n\
         x;7,00;2;\"Zoë & Söhne <GmbH>\";\"The \"\"M3\"\"; black\";A/17;1,00\r\n\
         ;7,00;1;\"Zoë & Söhne <GmbH>\";\"two\r\nlines\";A/17;5.00\r\n"
            .as_bytes(),
    );
    assert_eq!(run.code, Some(0), "{}", run.said);
    let page = run.invoice("invoice-A~2F17.html");
    assert_eq!(total(&page), 700);
    assert!(page.contains("Zoë &amp; Söhne &lt;GmbH&gt;"));
    assert!(page.contains("The &quot;M3&quot;; black"));
}

#[test]
fn a_bad_line_is_told_by_its_number_and_costs_no_other_order() {
    let run = run_on(
        b"invoice_id,item,quantity,unit_price,customer\r\n\
          1,a,1,2.50,X\r\n\
          2,\"two\r\nlines\",1,1.00,Y\r\n\
          \r\n\
          3,c,0,1,Y\r\n\
          4,d,1,abc,Z\r\n\
          ,d,1,1,Z\r\n\
          5,d,1\r\n\
          6,\"open,1,1,Q\r\n\
          7,d,1,1.005,Q\r\n\
          8,M\xfcller,1,1,Q\r\n\
          9,d,1,1,R\r\n",
    );
    assert_eq!(run.code, Some(1), "{}", run.said);
    for text in [
        "line 6: quantity \"0\" is not a whole number from 1 to 1000000",
        "line 7: unit_price \"abc\" is not an amount such as 12.50",
        "line 8: invoice_id is empty",
        "line 9: it has 3 fields, and the first line has 5",
        "line 10: a quote is opened and not closed",
        "line 11: unit_price \"1.005\" is not an amount such as 12.50",
        "line 12: item is not UTF-8 text",
        "3 of 9 invoices",
        "1 line left out",
    ] {
        run.says(text);
    }
    let names: Vec<_> = run.invoices().iter().map(|path| path.file_name().map(ToOwned::to_owned)).collect();
    assert_eq!(names, ["1", "2", "9"].map(|id| Some(format!("invoice-{id}.html").into())));
}

#[test]
fn an_order_that_leaves_a_choice_is_not_mended() {
    let run = run_on(
        b"invoice_id,item,quantity,unit_price,customer,invoice_total\n\
          1,a,11,1.00,X,12.00\n\
          1,b,11,1.00,X,12.00\n\
          2,a,1,1.00,X,5.00\n\
          3,a,1,1.00,X,1.00\n\
          3,b,1,1.00,Y,1.00\n",
    );
    assert_eq!(run.code, Some(1), "{}", run.said);
    run.says("its lines add up to 22.00, but its total says 12.00");
    run.says("its lines add up to 1.00, but its total says 5.00");
    run.says("line 6: order 3 is Y's here, and X's on line 5");
    assert!(!run.said.contains("mended"), "{}", run.said);
    assert!(run.invoices().is_empty());
}

#[test]
fn a_file_that_cannot_be_used_says_why() {
    for (csv, expected) in [
        (&b""[..], "it is empty"),
        (b"invoice_id,item,unit_price,customer\n1,a,1,X\n", "line 1: there is no column \"quantity\""),
        (b"invoice_id,item,quantity,unit_price,customer\n", "there is no order in it"),
        (b"invoice_id,item,item,quantity,unit_price,customer\n", "the column \"item\" stands there twice"),
        (b"\xff\xfei\0d\0", "line 1: it is not UTF-8 text"),
    ] {
        let run = run_on(csv);
        assert_eq!(run.code, Some(1), "{}", run.said);
        run.says(expected);
        assert!(!run.folder.exists(), "nothing is written for a file that cannot be used");
    }
}

#[test]
fn a_file_or_a_folder_that_is_not_there_says_so() {
    let keep = tempfile::tempdir().expect("a temporary folder");
    let file = keep.path().join("orders.csv");
    let output = run(&file, keep.path());
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("error: cannot read"), "{}", said(&output));
    fs::write(&file, shipped()).expect("can be written");
    let output = run(&file, &file.join("below a file"));
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("error: cannot make"), "{}", said(&output));
}
