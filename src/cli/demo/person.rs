//! Invented people: names and addresses that belong to nobody (`example.com` is reserved by RFC 2606).

const FIRST: &[&str] = &[
    "Ada", "Ben", "Chloe", "Dev", "Elif", "Finn", "Grace", "Hugo", "Ines", "Jonas", "Kaya", "Liam", "Mira", "Noor",
    "Oskar", "Pia", "Quentin", "Rosa", "Sven", "Tariq", "Uma", "Vera", "Wim", "Ximena", "Yuki", "Zoe",
];
const LAST: &[&str] = &[
    "Abara",
    "Brandt",
    "Costa",
    "Dubois",
    "Eriksen",
    "Fischer",
    "Garcia",
    "Hughes",
    "Ivanova",
    "Jensen",
    "Kowalski",
    "Lindqvist",
    "Moreau",
    "Novak",
    "Okafor",
    "Petrov",
    "Quinn",
    "Rossi",
    "Schmidt",
    "Tanaka",
];
const COUNTRIES: &[&str] = &["GB", "gb", "Ireland", "DE", "Germany", "FR", "US", "ES", "NL"];

/// A customer before they did anything.
pub(super) struct Person {
    pub(super) user_id: String,
    pub(super) email: String,
    pub(super) first_name: &'static str,
    pub(super) last_name: &'static str,
    pub(super) country: &'static str,
}

impl Person {
    /// The `n`th person; nobody is there twice.
    pub(super) fn number(n: usize) -> Self {
        let first_name = FIRST[n % FIRST.len()];
        let last_name = LAST[(n / FIRST.len() + n * 7) % LAST.len()];
        Self {
            user_id: format!("customer-{n}"),
            // As people type it: intake cleans it.
            email: format!("  {first_name}.{last_name}.{n}@Example.com"),
            first_name,
            last_name,
            country: COUNTRIES[n % COUNTRIES.len()],
        }
    }
}
