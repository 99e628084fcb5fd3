//! Labels of GitHub's hosted runners, and when each ends.
//!
//! As of November 2026; a label that is not here is an error, so that the table is kept.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;

/// Days since 1970-01-01, in UTC.
pub type Day = i64;

struct Label {
    name: &'static str,
    /// When jobs on it begin to fail: the first announced brownout, else the end.
    ends: Option<(i64, i64, i64)>,
    /// Where that is written.
    source: &'static str,
}

const README: &str = "actions/runner-images, README";

const fn label(name: &'static str) -> Label {
    Label { name, ends: None, source: README }
}

const fn ends(name: &'static str, date: (i64, i64, i64), source: &'static str) -> Label {
    Label { name, ends: Some(date), source }
}

/// Brownouts from this day; gone on 2027-04-17.
const JAMMY: (i64, i64, i64) = (2027, 3, 23);

const LABELS: &[Label] = &[
    ends("ubuntu-22.04", JAMMY, "actions/runner-images#14254"),
    ends("ubuntu-22.04-arm", JAMMY, "actions/runner-images#14254"),
    label("ubuntu-24.04"),
    label("ubuntu-24.04-arm"),
    label("ubuntu-26.04"),
    label("ubuntu-26.04-arm"),
    label("ubuntu-latest"),
    ends("macos-13", (2025, 12, 4), "actions/runner-images#13046"),
    ends("macos-14", (2026, 11, 2), "actions/runner-images#13518"),
    label("macos-15"),
    ends("macos-15-intel", (2027, 8, 1), "GitHub Docs, GitHub-hosted runners reference"),
    label("macos-26"),
    label("macos-26-intel"),
    label("windows-2025"),
    label("windows-11-arm"),
];

/// A label this close to its end is refused: a release may be needed on any day.
const NOTICE: Day = 90;

/// Whether jobs may run on the label.
///
/// # Errors
/// What is wrong with it, and what to use instead.
pub fn check(name: &str, today: Day) -> Result<(), (String, String)> {
    let cure = || {
        let good = LABELS.iter().filter(|label| refused(label, today).is_none());
        let good: alloc::vec::Vec<_> = good.map(|label| format!("`{}`", label.name)).collect();
        format!("there is {}", good.join(", "))
    };
    let Some(label) = LABELS.iter().find(|label| label.name == name) else {
        let paid =
            name.ends_with("-large") || name.ends_with("-xlarge") || name.ends_with("-cores");
        let what =
            if paid { "is a larger runner, which is paid" } else { "is no label of GitHub's" };
        return Err((format!("the runner `{name}` {what}"), cure()));
    };
    match refused(label, today) {
        None => Ok(()),
        Some(why) => Err((format!("the runner `{name}` {why}"), cure())),
    }
}

fn refused(label: &Label, today: Day) -> Option<String> {
    let (year, month, day) = label.ends?;
    let left = days(year, month, day) - today;
    match left {
        ..=0 => Some(format!("ended on {year}-{month:02}-{day:02}")),
        1..=NOTICE => Some(format!("ends on {year}-{month:02}-{day:02}, in {left} days")),
        _ => None,
    }
    .map(|why| why.to_owned())
}

/// Label, the day on which jobs begin to fail, and where that is written.
pub(super) fn table() -> impl Iterator<Item = (&'static str, Option<String>, &'static str)> {
    LABELS.iter().map(|label| {
        let day = label.ends.map(|(year, month, day)| format!("{year}-{month:02}-{day:02}"));
        (label.name, day, label.source)
    })
}

/// Days from 1970-01-01 to a date of the Gregorian calendar.
pub fn days(year: i64, month: i64, day: i64) -> Day {
    // Years begin in March, so that the leap day is a year's last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year / 4 - year / 100 + year / 400;
    // Days from a March 1 to the first of the month: 31, 30, 31, 30, 31 over and over.
    365 * year + leap_days + (153 * month + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_from_1970() {
        for ((year, month, day), count) in [
            ((1970, 1, 1), 0),
            ((2000, 3, 1), 11_017),
            ((2024, 2, 29), 19_782),
            ((2026, 11, 21), 20_778),
        ] {
            assert_eq!(days(year, month, day), count, "{year}-{month}-{day}");
        }
    }

    #[test]
    fn labels_end() {
        let today = days(2026, 11, 21);
        for good in ["ubuntu-24.04", "macos-15-intel", "ubuntu-22.04", "windows-11-arm"] {
            assert_eq!(check(good, today), Ok(()), "{good}");
        }
        for (bad, why) in [
            ("macos-13", "ended on 2025-12-04"),
            ("macos-14", "ended on 2026-11-02"),
            ("macos-15-xlarge", "paid"),
            ("ubuntu-24.04-arm64", "no label"),
            ("ubuntu-20.04", "no label"),
        ] {
            assert!(check(bad, today).unwrap_err().0.contains(why), "{bad}");
        }
        // The last day before the notice of 90 days for the brownouts, and the first of it.
        assert_eq!(check("ubuntu-22.04", days(2026, 12, 22)), Ok(()));
        let close = check("ubuntu-22.04", days(2026, 12, 23)).unwrap_err();
        assert!(close.0.contains("in 90 days"), "{}", close.0);
    }
}
