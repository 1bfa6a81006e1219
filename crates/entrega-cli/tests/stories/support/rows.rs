//! Rows of the order system, short enough to be read in a story.

/// An id: 32 hex digits that begin with the kind and end with the number.
fn id(kind: &str, number: u32) -> String {
    format!("{kind}{number:030}")
}

pub fn order_id(number: u32) -> String {
    id("0e", number)
}

pub fn customer_id(number: u32) -> String {
    id("c0", number)
}

pub fn seller_id(number: u32) -> String {
    id("5e", number)
}

pub fn product_id(number: u32) -> String {
    id("d4", number)
}

pub fn review_id(number: u32) -> String {
    id("a9", number)
}

/// An order that has been bought, and nothing more: promised for three weeks later by the caller.
pub fn bought(order: u32, purchased: &str, promised: &str) -> String {
    format!("{},{},created,{purchased},,,,{promised} 00:00:00", order_id(order), customer_id(order))
}

/// An order that was delivered: purchase, approval, hand-over, delivery, promise.
pub fn delivered(order: u32, [purchased, approved, handed_over, delivered]: [&str; 4], promised: &str) -> String {
    format!(
        "{},{},delivered,{purchased},{approved},{handed_over},{delivered},{promised} 00:00:00",
        order_id(order),
        customer_id(order)
    )
}

pub fn customer(order: u32, zip: &str, state: &str) -> String {
    format!("{},{},{zip},sao paulo,{state}", customer_id(order), id("b7", order))
}

pub fn item(order: u32, number: u32, product: u32, seller: u32, limit: &str, price: &str) -> String {
    format!("{},{number},{},{},{limit},{price},10.00", order_id(order), product_id(product), seller_id(seller))
}

pub fn payment(order: u32, value: &str) -> String {
    format!("{},1,credit_card,1,{value}", order_id(order))
}

pub fn review(number: u32, order: u32, score: u32, created: &str) -> String {
    format!("{},{},{score},,,{created} 00:00:00,{created} 12:00:00", review_id(number), order_id(order))
}

pub fn seller(number: u32, zip: &str, state: &str) -> String {
    format!("{},{zip},campinas,{state}", seller_id(number))
}

pub fn product(number: u32, category: &str) -> String {
    format!("{},{category},10,20,1,300,20,10,15", product_id(number))
}

pub fn point(zip: &str, latitude: f64, longitude: f64) -> String {
    format!("{zip},{latitude},{longitude},somewhere,SP")
}

pub fn category(portuguese: &str, english: &str) -> String {
    format!("{portuguese},{english}")
}
