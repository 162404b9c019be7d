//! Points in time that set functions off: the five fields of crontab(5), in UTC.

use std::time::Duration;

use cronexpr::{Crontab, parse_crontab};
use jiff::Timestamp;
use libfaas::Event;

/// The type of the event that a point in time becomes.
pub const TYPE: &str = "fsi.schedule";

/// The longest sleep: the clock may be set meanwhile, and it alone says what is due.
const NAP: Duration = Duration::from_secs(30);

/// When a function is due.
#[derive(Clone, Debug)]
pub struct Schedule {
    cron: String,
    times: Crontab,
}

/// Not the five fields of crontab(5).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`cron`: expected the five fields of crontab(5), got {cron:?}: {reason}")]
pub struct InvalidCron {
    cron: String,
    reason: String,
}

impl Schedule {
    /// Reads the five fields.
    ///
    /// # Errors
    ///
    /// Fields that are missing, surplus or out of range.
    pub fn new(cron: &str) -> Result<Schedule, InvalidCron> {
        let fail = |reason: String| InvalidCron {
            cron: cron.to_owned(),
            reason,
        };
        let fields: Vec<_> = cron.split_ascii_whitespace().collect();
        if fields.len() != 5 {
            return Err(fail(format!("{} fields", fields.len())));
        }
        // On one line and without tabs, as the subject of an event has to be.
        let fields = fields.join(" ");
        let times = parse_crontab(&format!("{fields} UTC")).map_err(|fault| {
            // The rest of the library's message shows the line again.
            let text = fault.to_string();
            let last = text.trim_end().lines().last().unwrap_or_default();
            fail(last.trim_start_matches([' ', '^']).to_owned())
        })?;
        Ok(Schedule {
            cron: fields,
            times,
        })
    }

    /// The first time after `after`; None if there is none any more.
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let next = self.times.find_next(after).ok()?;
        Some(next.timestamp())
    }

    /// Waits for each time and gives it to `fire`, until there is none any more. A time that passed
    /// while the machine slept comes late, and just once for however many passed.
    pub async fn run(&self, now: impl Fn() -> Timestamp, mut fire: impl FnMut(Timestamp)) {
        let mut last = now();
        while let Some(due) = self.next(last) {
            loop {
                let left = due.duration_since(now());
                match Duration::try_from(left) {
                    Ok(left) if !left.is_zero() => tokio::time::sleep(left.min(NAP)).await,
                    _ => break,
                }
            }
            fire(due);
            last = now().max(due);
        }
    }

    /// The event of a time: no data, since all there is to know are its attributes.
    pub fn event(&self, id: &str, source: &str, due: Timestamp) -> Event {
        Event::builder(id, source, TYPE)
            .subject(&self.cron)
            .time(due.to_string())
            .build()
            .expect("ids, sources and cron are text without control characters")
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn five_fields_in_utc() {
        for (cron, after, next) in [
            ("0 3 * * *", "2026-11-21T02:59:59Z", "2026-11-21T03:00:00Z"),
            ("0 3 * * *", "2026-11-21T03:00:00Z", "2026-11-22T03:00:00Z"),
            (
                "*/15 * * * *",
                "2026-11-21T06:01:00Z",
                "2026-11-21T06:15:00Z",
            ),
            // 0 and 7 are Sunday.
            ("0 0 * * 0", "2026-11-21T00:00:00Z", "2026-11-22T00:00:00Z"),
            ("0 0 * * 7", "2026-11-21T00:00:00Z", "2026-11-22T00:00:00Z"),
            (
                "0 0 * * SUN",
                "2026-11-21T00:00:00Z",
                "2026-11-22T00:00:00Z",
            ),
            // A day of the month or a day of the week, where both are restricted.
            ("0 0 1 * 1", "2026-11-21T00:00:00Z", "2026-11-23T00:00:00Z"),
            ("0 0 29 2 *", "2026-11-21T00:00:00Z", "2028-02-29T00:00:00Z"),
        ] {
            let schedule = Schedule::new(cron).unwrap();
            assert_eq!(schedule.next(at(after)), Some(at(next)), "{cron}");
        }
    }

    #[test]
    fn others_are_refused() {
        for cron in [
            "",
            "* * * *",
            "* * * * * *",
            "60 * * * *",
            "* * * * 8",
            "0 0 * * * UTC",
            "@daily",
            "x * * * *",
            "*/0 * * * *",
        ] {
            assert!(Schedule::new(cron).is_err(), "{cron}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_time_fires_once() {
        let schedule = Schedule::new("*/20 * * * *").unwrap();
        let start = tokio::time::Instant::now();
        let now = || at("2026-11-21T06:01:30.5Z") + start.elapsed();
        let fired = RefCell::new(Vec::new());
        let run = schedule.run(now, |due| fired.borrow_mut().push((due, now())));
        let _ = tokio::time::timeout(Duration::from_secs(3600), run).await;
        let fired = fired.into_inner();
        let due: Vec<_> = fired.iter().map(|(due, _)| due.to_string()).collect();
        assert_eq!(
            due,
            [
                "2026-11-21T06:20:00Z",
                "2026-11-21T06:40:00Z",
                "2026-11-21T07:00:00Z"
            ]
        );
        assert!(
            fired
                .iter()
                .all(|(due, at)| at.duration_since(*due).as_millis() < 10)
        );
    }

    #[test]
    fn an_event_says_which_time_it_was() {
        let schedule = Schedule::new("0\t3 * *  *").unwrap();
        let event = schedule.event("i-1", "/acme/report", at("2026-11-21T03:00:00Z"));
        assert_eq!(
            (event.id(), event.source(), event.ty()),
            ("i-1", "/acme/report", TYPE)
        );
        assert_eq!(event.subject(), Some("0 3 * * *"));
        assert_eq!(event.time().unwrap().to_string(), "2026-11-21T03:00:00Z");
    }
}
