//! The whole platform: real binary, real servers, real SDKs.

mod against;
mod bench;
mod clock;
mod commands;
mod crash;
mod databases;
mod disk;
mod doors;
mod hooks;
mod mail;
mod outbox;
mod owners;
mod pace;
mod postgres;
mod process;
mod programs;
mod quarantine;
mod recovery;
mod reports;
mod sdk;
mod served;
mod shop;
mod standstill;
mod store;
mod torn;
mod withdrawal;
