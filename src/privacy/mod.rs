//! What protects people: signed links. The consent ledger itself is the profile's (`engine`) and the deny rows'
//! (`store`).

pub mod links;
