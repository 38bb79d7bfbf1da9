//! The whole platform: real binary, real servers, real SDKs.

mod commands;
mod crash;
mod doors;
mod hooks;
mod mail;
mod postgres;
mod recovery;
mod sdk;
mod served;
mod shop;
mod withdrawal;
