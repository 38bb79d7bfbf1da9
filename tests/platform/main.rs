//! The whole platform: real binary, real servers, real SDKs.

mod doors;
mod sdk;
mod recovery;
mod served;
mod shop;
