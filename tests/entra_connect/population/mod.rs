//! A whole company through the converted rules of a real configuration: every attribute and every reference of every object,
//! in the metaverse and on its way to the tenant, beside what the original expressions give.

use syncline::entra_connect::{Export, read};

use crate::corpus::shared;
use company::{Person, company};
use comparison::{Counts, compare};
use world::{World, imported};

mod company;
mod comparison;
mod originals;
mod samba;
mod world;

const PEOPLE: usize = 10_000;
const GROUPS: usize = 200;

/// Through files: what is imported is what the evaluator sees.
fn compared(export: &Export, mut world: World, company: &[Person], whole: bool) -> Counts {
    let source = world.source();
    let (draft, ids) = world.synchronise(source, company.iter().map(imported));
    let counts = compare(export, &draft, company, &ids, whole);
    assert!(counts.failed > 5 && counts.provisioned > company.len() / 3, "the company says something: {counts:?}");
    counts
}

#[test]
fn ten_thousand_people_get_what_the_original_rules_give_them() {
    let Some(path) = shared("contoso") else { return };
    let export = read(&path).unwrap();
    let company = company(PEOPLE, GROUPS);
    let counts = compared(&export, World::of(&export), &company, true);
    assert!(
        counts.objects > PEOPLE && counts.values > PEOPLE * 30 && counts.references > PEOPLE,
        "the company says something: {counts:?}"
    );
}

#[test]
fn the_rules_that_ship_in_their_place_send_out_the_same() {
    let Some(path) = shared("contoso") else { return };
    let export = read(&path).unwrap();
    let company = company(PEOPLE / 5, GROUPS);
    let counts = compared(&export, World::shipped(), &company, false);
    assert!(counts.values > PEOPLE && counts.references > PEOPLE / 5, "the company says something: {counts:?}");
}
