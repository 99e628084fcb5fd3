//! Labels of GitHub's hosted runners, and when each ends.
//!
//! Sources: `actions/runner-images`, README and its announcements #13046 (macos-13), #13518
//! (macos-14), #14254 (ubuntu-22.04); GitHub Docs, "GitHub-hosted runners reference". As of
//! November 2026; a label that is not here is an error, so that the table is kept.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;

/// Days since 1970-01-01, in UTC.
pub type Day = i64;

struct Label {
    name: &'static str,
    /// When jobs on it begin to fail: the first announced brownout, else the end.
    ends: Option<(i64, i64, i64)>,
}

const fn label(name: &'static str) -> Label {
    Label { name, ends: None }
}

const fn ends(name: &'static str, year: i64, month: i64, day: i64) -> Label {
    Label { name, ends: Some((year, month, day)) }
}

const LABELS: &[Label] = &[
    ends("ubuntu-22.04", 2027, 3, 23),
    ends("ubuntu-22.04-arm", 2027, 3, 23),
    label("ubuntu-24.04"),
    label("ubuntu-24.04-arm"),
    label("ubuntu-26.04"),
    label("ubuntu-26.04-arm"),
    label("ubuntu-latest"),
    ends("macos-13", 2025, 12, 4),
    ends("macos-14", 2026, 11, 2),
    label("macos-15"),
    ends("macos-15-intel", 2027, 8, 1),
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
        let close = check("ubuntu-22.04", days(2026, 12, 24)).unwrap_err();
        assert!(close.0.contains("in 89 days"), "{}", close.0);
    }
}
