//! `GET /metrics`: what the platform counts of itself, in the text form that Prometheus reads.
//! Source: <https://prometheus.io/docs/instrumenting/exposition_formats/>.

use std::fmt::Write as _;

use actix_web::{HttpResponse, web};

use crate::actors::{MemoryReading, Reading};

use super::doors::Doors;

pub(super) async fn metrics(doors: web::Data<Doors>) -> HttpResponse {
    // A database that does not answer says nothing of it; the rest can be told.
    let is_held = matches!(doors.database.sending_hold().await, Ok(Some(_)));
    HttpResponse::Ok().content_type("text/plain; version=0.0.4").body(text(&doors.platform.reading(), is_held))
}

fn text(reading: &Reading, is_held: bool) -> String {
    let numbers = [
        ("tidewater_journal_entries_total", "counter", "Entries appended to the journal.", reading.entries),
        ("tidewater_waiting_entries", "gauge", "Entries and ticks on their way through the shards.", reading.waiting),
        ("tidewater_sweeps", "gauge", "Walks over customers to come or under way.", reading.sweeps),
        ("tidewater_effects_total", "counter", "Effects put into the outbox.", reading.effects),
        ("tidewater_journey_steps_total", "counter", "Steps of journeys decided, durably.", reading.steps),
        ("tidewater_profiles_saved_total", "counter", "Snapshots of profiles written.", reading.profiles_saved),
        (
            "tidewater_profiles_unsaved",
            "gauge",
            "Profiles whose last state is not in the store yet.",
            reading.profiles_unsaved,
        ),
        ("tidewater_customers_live", "gauge", "Customers that are live.", reading.customers_live),
        (
            "tidewater_customers_live_packed_bytes",
            "gauge",
            "Bytes of the packed states of live customers that rest.",
            reading.customers_live_packed,
        ),
        ("tidewater_wakes_in_memory", "gauge", "Wakes of profiles that are in memory.", reading.wakes_in_memory),
        ("tidewater_state_commits_total", "counter", "Transactions of state.", reading.commits),
        ("tidewater_clicks_let_go_total", "counter", "Clicks that came while too much waited.", reading.let_go),
        ("tidewater_sending_held", "gauge", "1 while nothing is sent until a person says so.", u64::from(is_held)),
    ];
    let mut out = String::new();
    for (name, kind, help, value) in numbers {
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}");
    }
    memory(&mut out, reading.memory);
    let name = "tidewater_channel_holding";
    let _ =
        writeln!(out, "# HELP {name} 1 while effects wait for a far side that does not answer.\n# TYPE {name} gauge");
    for (channel, is_holding) in &reading.holding {
        let _ = writeln!(out, "{name}{{channel=\"{channel}\"}} {}", u8::from(*is_holding));
    }
    let name = "tidewater_effect_delay_seconds";
    let _ = writeln!(out, "# HELP {name} From what caused it to the effect in the outbox.\n# TYPE {name} summary");
    for (quantile, milliseconds) in &reading.effect_delay {
        let _ = writeln!(out, "{name}{{quantile=\"{quantile}\"}} {}", *milliseconds as f64 / 1_000.0);
    }
    let _ = writeln!(out, "{name}_count {}", reading.effects);
    out
}

/// What is held for customers, by part, beside what may be.
fn memory(out: &mut String, MemoryReading { allowed, customers, unsaved, saving, waiting }: MemoryReading) {
    let name = "tidewater_memory_allowed_bytes";
    let _ = writeln!(out, "# HELP {name} `memory` of the settings.\n# TYPE {name} gauge\n{name} {allowed}");
    let name = "tidewater_memory_bytes";
    let _ = writeln!(out, "# HELP {name} About what is held for customers, by part.\n# TYPE {name} gauge");
    for (part, bytes) in [("customers", customers), ("unsaved", unsaved), ("saving", saving), ("waiting", waiting)] {
        let _ = writeln!(out, "{name}{{part=\"{part}\"}} {bytes}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_has_its_help_its_type_and_its_value() {
        let holding = [("crm".to_owned(), true), ("email".to_owned(), false)].into();
        let memory = MemoryReading { allowed: 99, unsaved: 5, ..MemoryReading::default() };
        let reading = Reading { holding, memory, effects: 7, effect_delay: vec![(0.99, 12)], ..Reading::default() };
        let text = text(&reading, true);
        assert!(text.contains("tidewater_sending_held 1\n"), "{text}");
        assert!(text.contains("# TYPE tidewater_effects_total counter\ntidewater_effects_total 7\n"), "{text}");
        assert!(text.contains("tidewater_memory_allowed_bytes 99\n"), "{text}");
        assert!(text.contains("tidewater_memory_bytes{part=\"unsaved\"} 5\n"), "{text}");
        assert!(text.contains("tidewater_channel_holding{channel=\"crm\"} 1\n"), "{text}");
        assert!(text.contains("tidewater_channel_holding{channel=\"email\"} 0\n"), "{text}");
        assert!(text.contains("tidewater_effect_delay_seconds{quantile=\"0.99\"} 0.012\n"), "{text}");
        assert!(text.ends_with("tidewater_effect_delay_seconds_count 7\n"), "{text}");
    }
}
