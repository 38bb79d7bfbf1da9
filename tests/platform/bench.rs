//! `tidewater bench`, small: what it measures is there and can be true; and the script that makes tables of it.

use std::path::Path;
use std::process::Command;

use serde_json::Value as Json;

fn bench(arguments: &[&str]) -> Json {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidewater"));
    command.arg("bench").args(arguments).args(["--connections", "2", "--format", "json"]).env_remove("RUST_LOG");
    let done = command.output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    serde_json::from_slice(&done.stdout).unwrap()
}

fn number(report: &Json, pointer: &str) -> f64 {
    report.pointer(pointer).and_then(Json::as_f64).unwrap_or_else(|| panic!("no {pointer} in {report:#}"))
}

/// What the script writes between the marks of a table.
fn table(name: &str, report: &Json) -> String {
    let folder = tempfile::tempdir().unwrap();
    let (given, document) = (folder.path().join("report.json"), folder.path().join("document.md"));
    std::fs::write(&given, report.to_string()).unwrap();
    let (before, after) = (format!("Before.\n\n<!-- table: {name} -->\n"), "<!-- end -->\n\nAfter.\n");
    std::fs::write(&document, format!("{before}an older table\n{after}")).unwrap();
    let python = std::env::var("TIDEWATER_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let done = Command::new(python)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/performance"))
        .args(["--only", name, "--from"])
        .arg(&given)
        .arg("--document")
        .arg(&document)
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let written = std::fs::read_to_string(&document).unwrap();
    let between = written.strip_prefix(&before).and_then(|rest| rest.strip_suffix(after));
    let between = between.unwrap_or_else(|| panic!("what stands around is kept:\n{written}"));
    assert!(!between.contains("an older table") && between.contains(" cores ("), "{between}");
    between.to_owned()
}

#[test]
fn ingestion_is_measured_beside_the_machine() {
    let report = bench(&["ingest", "--seconds", "1", "--warm-up", "1"]);
    for measured in [
        "/limits/parse_and_discard",
        "/limits/group_fsync",
        "/limits/sqlite_insert",
        "/batches/applied_per_second",
        "/singles/applied_per_second",
        "/journey_steps_per_second",
        "/half_load/effect_delay/p99",
        "/half_load/effects",
    ] {
        assert!(number(&report, measured) > 0.0, "{measured}: {report}");
    }
    assert!(table("ingest", &report).contains("| journey steps, durable | "));
}

#[test]
fn customers_are_measured_on_disk_in_memory_and_through_restarts() {
    let report = bench(&["profiles", "--customers", "1000", "--live", "1000", "--seconds", "1"]);
    assert_eq!(number(&report, "/disk/profiles"), 1_000.0);
    assert_eq!(number(&report, "/load/events"), 5_000.0);
    let tables = report["disk"]["tables"].as_array().unwrap();
    let bytes_of = |name: &str| tables.iter().find(|table| table["table"] == name).map(|table| number(table, "/bytes"));
    for name in ["journal_block", "profile", "history", "membership"] {
        assert!(bytes_of(name) > Some(0.0), "{name}: {report:#}");
    }
    let sum: f64 = tables.iter().map(|table| number(table, "/bytes")).sum();
    assert!(sum <= number(&report, "/disk/bytes"), "{report:#}");
    assert_eq!(number(&report, "/memory/loaded/customers_live"), 1_000.0);
    assert_eq!(number(&report, "/memory/idle/customers_live"), 0.0, "a restart makes nobody live");
    assert_eq!(number(&report, "/memory/live/customers"), 900.0);
    assert!(number(&report, "/memory/live/packed_bytes_each") > 100.0, "{report:#}");
    for restart in ["after_stop", "after_kill"] {
        assert!(number(&report["restart"], &format!("/{restart}")) > 0.0, "{restart}: {report:#}");
    }
    let table = table("profiles", &report);
    assert!(table.contains("| what | 1,000 profiles |") && table.contains("| `journal_block` | "), "{table}");
}

#[test]
fn runs_that_wait_for_a_far_day_have_no_wake_in_memory() {
    let report = bench(&["waiting", "--runs", "2000", "--each", "10", "--soon", "100"]);
    assert_eq!((number(&report, "/runs"), number(&report, "/disk/profiles")), (2_000.0, 200.0));
    let wakes = |when: &str| number(&report, &format!("/memory/{when}/wakes"));
    assert_eq!((wakes("empty"), wakes("loaded"), wakes("far"), wakes("soon")), (0.0, 0.0, 0.0, 100.0), "{report:#}");
    assert!(table("waiting", &report).contains("| customers | 200 |"));
}
