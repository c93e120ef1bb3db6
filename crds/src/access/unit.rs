//! Units: the smallest parts of a record that can be disclosed. Which they are follows from the
//! content and from the objects that its asset opens (`spec.units`), and from nothing else.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::pointer::is_at_or_below;

/// Most names in the pointer of a unit: objects are opened down to here and no further.
pub const UNIT_MAX_DEPTH: usize = 8;

/// Whether an object at `pointer` is opened by an asset with these `units`, so that its members
/// are units of their own: it is one of them, or around one of them.
pub fn is_opened(units: &[String], pointer: &str) -> bool {
    pointer.matches('/').count() < UNIT_MAX_DEPTH
        && units.iter().any(|unit| is_at_or_below(unit, pointer))
}

/// The unit by which a value at `pointer` is disclosed, whatever the content: the first object on
/// the way to it that is not opened, or the value itself.
pub fn unit_of<'p>(units: &[String], pointer: &'p str) -> &'p str {
    let around = pointer.match_indices('/').skip(1);
    around
        .filter_map(|(end, _)| pointer.get(..end))
        .find(|object| !is_opened(units, object))
        .unwrap_or(pointer)
}

/// The units of a content, in the order of their pointers. An empty object has nothing to open
/// and is a unit itself.
pub fn units_of(content: &Map<String, Value>, units: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    walk(content, "", units, &mut found);
    found.sort();
    found
}

/// Why `fields`, which [`fields_unknown`](super::fields_unknown) gave, open nothing on content with these
/// units, and the cure. What lies below a unit may be in the content, and is opened with the whole unit or
/// not at all.
pub fn why_unknown(fields: &[&str], units: &[String]) -> String {
    let closed = |field: &&str| units.iter().find(|unit| is_at_or_below(field, unit));
    let (below, missing): (Vec<&str>, Vec<&str>) =
        fields.iter().partition(|field| closed(field).is_some());
    let mut said = Vec::new();
    if !missing.is_empty() {
        said.push(format!(
            "there is no field {}, mend the pointer",
            missing.join(", ")
        ));
    }
    if !below.is_empty() {
        let around = below.iter().filter_map(closed).map(String::as_str);
        let around: BTreeSet<&str> = around.collect();
        let around = Vec::from_iter(around).join(", ");
        said.push(format!(
            "{} is no unit, because {around} is one as a whole: if that is an object, units: [{around}] of the asset opens its members one by one",
            below.join(", ")
        ));
    }
    said.join("; ")
}

fn walk(members: &Map<String, Value>, prefix: &str, units: &[String], found: &mut Vec<String>) {
    for (name, value) in members {
        let pointer = format!("{prefix}/{}", name.replace('~', "~0").replace('/', "~1"));
        match value.as_object().filter(|inner| !inner.is_empty()) {
            Some(inner) if is_opened(units, &pointer) => walk(inner, &pointer, units, found),
            _ => found.push(pointer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn units(opened: &[&str]) -> Vec<String> {
        opened.iter().map(|unit| (*unit).to_owned()).collect()
    }

    #[test]
    fn members_of_the_whole_and_of_opened_objects_are_apart() {
        let content = json!({"isin": "X", "terms": {"coupon": "3", "dates": {"end": "2031"}}, "a/b": {}, "list": [{"x": 1}]});
        let of = |opened: &[&str]| units_of(content.as_object().unwrap(), &units(opened));
        assert_eq!(of(&[]), ["/a~1b", "/isin", "/list", "/terms"]);
        assert_eq!(
            of(&["/terms", "/a~1b", "/list"]),
            ["/a~1b", "/isin", "/list", "/terms/coupon", "/terms/dates"]
        );
        // The objects around an opened one are opened with it.
        assert_eq!(
            of(&["/terms/dates"]),
            [
                "/a~1b",
                "/isin",
                "/list",
                "/terms/coupon",
                "/terms/dates/end"
            ]
        );
    }

    #[test]
    fn a_value_is_disclosed_by_the_first_object_around_it_that_stays_closed() {
        let opened = units(&["/terms/dates"]);
        assert_eq!(unit_of(&opened, "/terms/dates/end"), "/terms/dates/end");
        assert_eq!(unit_of(&opened, "/terms/coupon"), "/terms/coupon");
        assert_eq!(unit_of(&opened, "/terms/price/high"), "/terms/price");
        assert_eq!(unit_of(&[], "/terms/coupon"), "/terms");
        assert_eq!(unit_of(&[], "/isin"), "/isin");
    }

    #[test]
    fn nothing_is_opened_below_the_greatest_depth() {
        let deep = "/a/b/c/d/e/f/g/h/i";
        let opened = units(&[deep]);
        assert_eq!(unit_of(&opened, deep), "/a/b/c/d/e/f/g/h");
        assert!(is_opened(&opened, "/a/b/c/d/e/f/g"));
        assert!(!is_opened(&opened, "/a/b/c/d/e/f/g/h"));
    }

    #[test]
    fn a_pointer_below_a_unit_is_told_apart_from_one_that_leads_nowhere() {
        let units = ["/isin", "/settlement", "/terms/coupon"].map(str::to_owned);
        let nowhere = why_unknown(&["/ghost", "/settlements"], &units);
        assert_eq!(
            nowhere,
            "there is no field /ghost, /settlements, mend the pointer"
        );
        let below = why_unknown(&["/settlement/place"], &units);
        assert!(below.contains("/settlement/place is no unit"), "{below}");
        assert!(
            below.contains("units: [/settlement] of the asset opens"),
            "{below}"
        );
        assert!(!below.contains("there is no field"), "{below}");
        let both = why_unknown(&["/settlement/place", "/settlement/date", "/ghost"], &units);
        assert!(
            both.contains("no field /ghost, mend the pointer; "),
            "{both}"
        );
        assert!(both.contains("units: [/settlement] of"), "{both}");
    }
}
