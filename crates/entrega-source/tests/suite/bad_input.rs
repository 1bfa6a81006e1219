//! Every bad source gives a message that names the place and a hint.

use std::{fs, io::Write as _, path::Path, sync::Arc};

use entrega_source::{OneDropOptions, OrderSystem, SourceTable, one_drop};
use object_store::local::LocalFileSystem;
use tempfile::TempDir;

use crate::landing::{shop, shop_system};

/// A copy of the made-up shop, with one file changed.
fn changed(table: SourceTable, change: impl Fn(String) -> String) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for each in SourceTable::ALL {
        let mut text = fs::read_to_string(shop().join(each.file())).unwrap();
        if each == table {
            text = change(text);
        }
        fs::write(folder.path().join(each.file()), text).unwrap();
    }
    folder
}

fn message(path: &Path) -> String {
    let message = OrderSystem::open(path).unwrap_err().to_string();
    assert!(message.contains("\nhint: "), "{message}");
    message
}

#[track_caller]
fn assert_says(message: &str, words: &[&str]) {
    for word in words {
        assert!(message.contains(word), "{word:?} is not in: {message}");
    }
}

fn zipped(skip: Option<SourceTable>) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for table in SourceTable::ALL.into_iter().filter(|table| Some(*table) != skip) {
        archive.start_file(format!("archive/{table}"), zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(&fs::read(shop().join(table.file())).unwrap()).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

#[test]
fn a_zip_is_as_good_as_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.zip");
    fs::write(&path, zipped(None)).unwrap();
    let (zip, files) = (OrderSystem::open(&path).unwrap(), shop_system());
    for table in SourceTable::ALL {
        assert_eq!(zip.table(table).bytes(), files.table(table).bytes());
    }
}

#[test]
fn paths_that_are_no_order_system() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.zip");
    assert_says(&message(&path), &["shop.zip", "no such file"]);
    fs::write(&path, "order_id,customer_id\n").unwrap();
    assert_says(&message(&path), &["shop.zip", "not a zip"]);
    let whole = zipped(None);
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    assert_says(&message(&path), &["shop.zip", "truncated or damaged", "download it again"]);
    fs::write(&path, zipped(Some(SourceTable::Sellers))).unwrap();
    assert_says(&message(&path), &["missing olist_sellers_dataset.csv;", "found olist_customers_dataset.csv, "]);
    fs::remove_file(&path).unwrap();
    assert_says(&message(folder.path()), &["missing olist_orders_dataset.csv, olist_order_items", "found none"]);
}

#[test]
fn headers_that_lack_a_column() {
    let folder = changed(SourceTable::Orders, |text| text.replace("order_approved_at", "approved_at"));
    assert_says(
        &message(folder.path()),
        &["olist_orders_dataset.csv, line 1: missing column order_approved_at; found order_id, ", ", approved_at, "],
    );
    let folder = changed(SourceTable::Geolocation, |_| String::new());
    assert_says(&message(folder.path()), &["olist_geolocation_dataset.csv, line 1: missing column", "found none"]);
    let folder = changed(SourceTable::Orders, |text| text.lines().next().unwrap().to_owned() + "\n");
    assert_says(&message(folder.path()), &["no event at all"]);
}

#[test]
fn files_that_end_too_early() {
    let folder = changed(SourceTable::Items, |text| text[..text.len() - 40].to_owned());
    assert_says(
        &message(folder.path()),
        &["olist_order_items_dataset.csv, line 36: the file ends inside", "truncated"],
    );
    let folder = changed(SourceTable::Reviews, |text| text[..text.find("no limite").unwrap()].to_owned());
    assert_says(&message(folder.path()), &["olist_order_reviews_dataset.csv, line 4: ", "quote is left open"]);
}

#[test]
fn rows_that_have_no_place_in_time() {
    let folder = changed(SourceTable::Orders, |text| text.replace("2018-01-15 10:12:00", "15/01/2018 10:12"));
    assert_says(
        &message(folder.path()),
        &["olist_orders_dataset.csv, line 3: order_approved_at is \"15/01/2018 10:12\""],
    );
    let folder = changed(SourceTable::Orders, |text| text.replace("2018-01-15 10:00:00", ""));
    assert_says(&message(folder.path()), &["olist_orders_dataset.csv, line 3: order_purchase_timestamp is \"\""]);
    // Line 5 holds a record that goes on in line 6.
    let folder = changed(SourceTable::Reviews, |text| text.replace("2018-01-14 09:00:00", "soon"));
    assert_says(
        &message(folder.path()),
        &["olist_order_reviews_dataset.csv, line 6: review_answer_timestamp is \"soon\""],
    );
    let folder = changed(SourceTable::Payments, |text| text.replacen(",boleto,1,", ",boleto,1,1,", 1));
    assert_says(
        &message(folder.path()),
        &["olist_order_payments_dataset.csv, line 2: 6 fields where the header has 5"],
    );
}

#[tokio::test]
async fn a_lake_that_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("landing"), "a file where a folder should be").unwrap();
    let store = Arc::new(LocalFileSystem::new_with_prefix(folder.path()).unwrap());
    let error = one_drop(&shop_system(), store, object_store::path::Path::default(), OneDropOptions::default())
        .await
        .unwrap_err();
    assert_says(&error.to_string(), &["landing", "cannot ", "hint: check that the lake's folder may be written"]);
}
