//! The whole platform: real binary, real servers, real SDKs.

mod crash;
mod doors;
mod postgres;
mod recovery;
mod sdk;
mod served;
mod shop;
