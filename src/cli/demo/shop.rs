//! The generated shop: people look around without a name, sign up, fill carts, buy, come back, or do not.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value as Json, json};

use crate::model::{Span, Timestamp};

use super::person::Person;
use super::sample::{Calls, Sample};

/// A Monday in spring.
const START: Timestamp = Timestamp(1_772_438_400_000);
/// Days over which people arrive.
const DAYS: i64 = 24;

struct Product {
    id: &'static str,
    name: &'static str,
    category: &'static str,
    price: f64,
}

const fn product(id: &'static str, name: &'static str, category: &'static str, price: f64) -> Product {
    Product { id, name, category, price }
}

const PRODUCTS: &[Product] = &[
    product("p1", "Trail runner", "shoes", 119.0),
    product("p2", "Deck shoe", "shoes", 89.0),
    product("p3", "Harbour boot", "shoes", 179.0),
    product("p4", "Canvas sneaker", "shoes", 49.0),
    product("p5", "Storm jacket", "jackets", 229.0),
    product("p6", "Wool jumper", "knitwear", 95.0),
    product("p7", "Striped shirt", "shirts", 39.0),
    product("p8", "Rain hat", "accessories", 29.0),
];

/// Makes the shop's calls.
pub(super) fn sample(customers: usize, seed: u64) -> Sample {
    let mut shop = Shop { calls: Calls::default(), chance: StdRng::seed_from_u64(seed) };
    for n in 0..customers {
        shop.customer(n);
    }
    Sample {
        title: "a generated shop".to_owned(),
        customers,
        start: START,
        calls: shop.calls.in_order(),
        step: Span::MINUTE.times(20),
        jump: Span::HOUR.times(4),
        after: Span::DAY.times(35),
        write_key: "demo-website-key",
    }
}

struct Shop {
    calls: Calls,
    chance: StdRng,
}

impl Shop {
    fn happens(&mut self, percent: u32) -> bool {
        self.chance.random_range(0..100) < percent
    }

    fn minutes(&mut self, from: i64, to: i64) -> Span {
        Span::MINUTE.times(self.chance.random_range(from..to))
    }

    fn product(&mut self) -> &'static Product {
        &PRODUCTS[self.chance.random_range(0..PRODUCTS.len())]
    }

    fn customer(&mut self, n: usize) {
        let person = Person::number(n);
        let anonymous = json!({"anonymousId": format!("visitor-{n}")});
        let known = json!({"anonymousId": format!("visitor-{n}"), "userId": person.user_id});
        let mut at = START + Span::MINUTE.times(self.chance.random_range(0..DAYS * 24 * 60));
        self.look_around(&mut at, &anonymous);
        if !self.happens(85) {
            return;
        }
        self.sign_up(&mut at, &known, &person);
        self.look_around(&mut at, &known);
        if !self.happens(70) {
            return;
        }
        self.fill_cart(&mut at, &known);
        // Some buy at once, some after our reminder, some never.
        let patience = self.chance.random_range(0..100);
        if patience < 45 {
            at = at + self.minutes(2, 40);
        } else if patience < 65 {
            at = at + self.minutes(180, 2_000);
        } else {
            return;
        }
        self.buy(&mut at, &known, n, 0);
        let is_fan = self.happens(20);
        for order in 1..=(if is_fan { 3 } else { 0 }) {
            at = at + self.minutes(2 * 1440, 6 * 1440);
            self.look_around(&mut at, &known);
            self.fill_cart(&mut at, &known);
            self.buy(&mut at, &known, n, order);
        }
    }

    fn add(&mut self, at: Timestamp, ids: &Json, kind: &str, rest: Json) {
        let mut body = rest;
        body["type"] = json!(kind);
        for id in ["anonymousId", "userId"] {
            if let Some(value) = ids.get(id) {
                body[id] = value.clone();
            }
        }
        self.calls.add(at, body);
    }

    fn track(&mut self, at: Timestamp, ids: &Json, event: &str, properties: Json) {
        self.add(at, ids, "track", json!({"event": event, "properties": properties}));
    }

    fn look_around(&mut self, at: &mut Timestamp, ids: &Json) {
        self.add(*at, ids, "page", json!({"name": "Home", "properties": {"path": "/", "title": "Harbour & Sole"}}));
        for _ in 0..self.chance.random_range(1..6) {
            *at = *at + self.minutes(1, 8);
            let seen = self.product();
            let properties =
                json!({"product_id": seen.id, "name": seen.name, "category": seen.category, "price": seen.price});
            self.track(*at, ids, "Product Viewed", properties);
        }
    }

    fn sign_up(&mut self, at: &mut Timestamp, ids: &Json, person: &Person) {
        *at = *at + self.minutes(1, 10);
        let traits = json!({
            "email": person.email, "first_name": person.first_name, "last_name": person.last_name,
            "country": person.country, "plan": "free",
        });
        self.add(*at, ids, "identify", json!({"traits": traits}));
        if self.happens(75) {
            self.track(*at, ids, "Subscribed", json!({"topic": "newsletter", "channel": "email"}));
        }
        if self.happens(50) {
            self.track(*at, ids, "Consent Given", json!({"purpose": "ads"}));
        }
        *at = *at + Span::SECOND;
        self.track(*at, ids, "Signed Up", json!({"plan": "free"}));
    }

    fn fill_cart(&mut self, at: &mut Timestamp, ids: &Json) {
        *at = *at + self.minutes(1, 15);
        let put = self.product();
        let properties = json!({
            "product_id": put.id, "name": put.name, "category": put.category, "price": put.price, "quantity": 1,
        });
        self.track(*at, ids, "Product Added", properties);
    }

    fn buy(&mut self, at: &mut Timestamp, ids: &Json, n: usize, order: usize) {
        let bought = self.product();
        let quantity = self.chance.random_range(1..4);
        let currency = ["EUR", "GBP", "USD"][n % 3];
        let order_id = format!("order-{n}-{order}");
        let properties = json!({
            "order_id": order_id,
            "revenue": bought.price * f64::from(quantity),
            "currency": currency,
            "products": [{"product_id": bought.id, "category": bought.category, "price": bought.price, "quantity": quantity}],
        });
        self.track(*at, ids, "Order Completed", properties);
        if self.happens(90) {
            let shipped = *at + self.minutes(1_440, 4_000);
            self.track(shipped, ids, "Order Shipped", json!({"order_id": order_id, "carrier": "Gull Post"}));
        }
    }
}
