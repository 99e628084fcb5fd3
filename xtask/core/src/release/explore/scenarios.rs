//! Where explorations start.

use alloc::vec;
use alloc::vec::Vec;

use super::super::machine::Stage;
use super::forge::Forge;
use super::{Bug, Pairs, Scenario, goal};

pub(super) fn scenarios(bug: Option<Bug>) -> Vec<Scenario> {
    let all = || goal(Stage::Publish, &["a", "b", "c"], bug);
    let part = |names: &[&str]| goal(Stage::Upload, names, bug);
    let draft = || goal(Stage::Draft, &[], bug);
    let empty = Forge::default;
    let with = |marked: bool, assets: &[&str]| {
        let mut forge = Forge::default();
        forge.add(marked, assets);
        forge
    };
    let published = |assets: &[&str]| {
        let mut forge = with(true, assets);
        forge.releases.iter_mut().for_each(|release| release.draft = false);
        forge
    };
    let moved = || Forge { tag_moved: true, ..Forge::default() };
    let twins = || {
        let mut forge = with(true, &["a"]);
        forge.add(true, &["z"]);
        forge
    };
    let scenario = |name, goals, forge, faults, publishes| Scenario {
        name,
        goals,
        forge,
        faults,
        publishes,
        pairs: Pairs::Any,
    };
    vec![
        scenario("tag elsewhere", vec![all()], moved(), 0, false),
        scenario("draft made by hand", vec![all()], with(false, &["a"]), 1, false),
        scenario("asset that nobody planned", vec![all()], with(true, &["a", "x"]), 1, false),
        scenario("twin with others' work", vec![all()], twins(), 1, false),
        scenario("published and different", vec![all()], published(&["a", "b"]), 1, false),
        scenario("published and equal", vec![all(), all()], published(&["a", "b", "c"]), 2, true),
        scenario("finalize alone", vec![all()], empty(), 2, true),
        scenario("finalize with a traveller", vec![all()], with(true, &["a", "t"]), 2, true),
        scenario("two drafts", vec![draft(), draft()], empty(), 2, true),
        scenario("two uploads", vec![part(&["a", "b"]), part(&["c"])], with(true, &[]), 2, true),
        scenario("upload and finalize", vec![part(&["c"]), all()], with(true, &[]), 1, true),
        scenario("upload and finalize, pairs", vec![part(&["c"]), all()], with(true, &[]), 2, true),
        scenario("two finalize", vec![all(), all()], with(true, &[]), 1, true),
        Scenario {
            pairs: Pairs::WithoutForEver,
            ..scenario("two finalize, pairs", vec![all(), all()], with(true, &[]), 2, true)
        },
        Scenario {
            pairs: Pairs::ForEver,
            ..scenario(
                "two finalize, for ever and another",
                vec![all(), all()],
                with(true, &[]),
                2,
                true,
            )
        },
    ]
}
