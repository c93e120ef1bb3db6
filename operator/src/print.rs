//! What `kubectl get` would print: the columns of the CRDs, evaluated on objects.
//!
//! The columns come from the same definitions that an API server is given, so a table that looks
//! right in local mode and in the golden tests looks right on a cluster.

use finp2p_crds::definition::{self, DefinitionError};
use jiff::Timestamp;
use serde_json::Value;

/// Spaces between columns.
const GAP: usize = 3;

/// The columns of every kind.
#[derive(Clone, Debug)]
pub struct Printer {
    kinds: Vec<(String, Vec<Column>)>,
}

/// One printer column of a CRD.
#[derive(Clone, Debug)]
struct Column {
    name: String,
    is_date: bool,
    /// Shown on request only (`-o wide`).
    is_wide: bool,
    path: String,
}

impl Printer {
    /// Reads the columns from the CRDs.
    ///
    /// # Errors
    /// [`DefinitionError`] when a CRD has no JSON form.
    pub fn new() -> Result<Self, DefinitionError> {
        let kinds = definition::all()?
            .into_iter()
            .map(|definition| {
                let columns = definition
                    .crd
                    .pointer("/spec/versions/0/additionalPrinterColumns");
                let columns = columns.and_then(Value::as_array).into_iter().flatten();
                (definition.kind, columns.map(Column::new).collect())
            })
            .collect();
        Ok(Self { kinds })
    }

    /// The table of objects of one kind, in the order given, as `kubectl get` prints it when it is
    /// not asked for more (`-o wide`); empty for an unknown kind or for no objects. Lines end in a newline and have no spaces at their end.
    pub fn table(&self, kind: &str, objects: &[Value], now: Timestamp) -> String {
        let Some((_, columns)) = self.kinds.iter().find(|(known, _)| known == kind) else {
            return String::new();
        };
        if objects.is_empty() {
            return String::new();
        }
        let columns: Vec<&Column> = columns.iter().filter(|column| !column.is_wide).collect();
        let headings = columns.iter().map(|column| column.name.to_uppercase());
        let mut rows: Vec<Vec<String>> =
            vec![["NAME".to_owned()].into_iter().chain(headings).collect()];
        for object in objects {
            let name = text(object.pointer("/metadata/name"));
            let cells = columns.iter().map(|column| column.cell(object, now));
            rows.push([name].into_iter().chain(cells).collect());
        }
        aligned(&rows)
    }
}

impl Column {
    fn new(column: &Value) -> Self {
        let text = |name: &str| text(column.get(name));
        Self {
            name: text("name"),
            is_date: text("type") == "date",
            is_wide: column.get("priority").and_then(Value::as_i64) > Some(0),
            path: text("jsonPath"),
        }
    }

    fn cell(&self, object: &Value, now: Timestamp) -> String {
        let found = resolve(object, &self.path);
        if self.is_date {
            return found
                .and_then(Value::as_str)
                .map_or_else(String::new, |at| age(at, now));
        }
        text(found)
    }
}

fn text(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// Follows the two forms of JSONPath that the CRDs use: `.a.b`, and
/// `.a.b[?(@.type=="X")].c` for the one item of a list whose `type` is X.
fn resolve<'v>(object: &'v Value, path: &str) -> Option<&'v Value> {
    let (before, filter) = match path.split_once("[?(@.type==\"") {
        None => return members(object, path),
        Some(parts) => parts,
    };
    let (wanted, after) = filter.split_once("\")]")?;
    let items = members(object, before)?.as_array()?;
    let item = items
        .iter()
        .find(|item| item.get("type").and_then(Value::as_str) == Some(wanted))?;
    members(item, after)
}

fn members<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.')
        .filter(|name| !name.is_empty())
        .try_fold(value, |value, name| value.get(name))
}

/// How long ago something was, as kubectl writes it: the two largest units, the second only
/// while it still says something.
fn age(at: &str, now: Timestamp) -> String {
    let Ok(at) = at.parse::<Timestamp>() else {
        return "<invalid>".to_owned();
    };
    let seconds = now.as_second() - at.as_second();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let two = |large: i64, unit: char, small: i64, part: char| match small {
        0 => format!("{large}{unit}"),
        _ => format!("{large}{unit}{small}{part}"),
    };
    match seconds {
        // Clocks of two machines differ a little.
        ..-1 => "<invalid>".to_owned(),
        -1..0 => "0s".to_owned(),
        0..120 => format!("{seconds}s"),
        120..600 => two(minutes, 'm', seconds % 60, 's'),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => two(hours, 'h', minutes % 60, 'm'),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => two(days, 'd', hours % 24, 'h'),
        691_200..63_072_000 => format!("{days}d"),
        63_072_000..252_288_000 => two(days / 365, 'y', days % 365, 'd'),
        _ => format!("{}y", days / 365),
    }
}

fn aligned(rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let columns = rows.first().map_or(0, Vec::len);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut table = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            let filled = cell.chars().count();
            line.extend(std::iter::repeat_n(' ', width.saturating_sub(filled) + GAP));
        }
        table.push_str(line.trim_end());
        table.push('\n');
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn now() -> Timestamp {
        "2026-11-23T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn ages_read_as_kubectl_writes_them() {
        for (seconds, text) in [
            (-120, "<invalid>"),
            (-1, "0s"),
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (121, "2m1s"),
            (599, "9m59s"),
            (600, "10m"),
            (10_799, "179m"),
            (10_800, "3h"),
            (10_860, "3h1m"),
            (28_800, "8h"),
            (172_799, "47h"),
            (172_800, "2d"),
            (180_000, "2d2h"),
            (691_200, "8d"),
            (63_071_999, "729d"),
            (63_072_000, "2y"),
            (63_244_800, "2y2d"),
            (252_288_000, "8y"),
        ] {
            let at = Timestamp::from_second(now().as_second() - seconds).unwrap();
            assert_eq!(age(&at.to_string(), now()), text, "{seconds}");
        }
    }

    #[test]
    fn a_table_has_the_columns_of_the_crd_and_blank_cells_for_what_is_unknown() {
        let printer = Printer::new().unwrap();
        let objects = [
            json!({
                "metadata": {"name": "bank-b", "creationTimestamp": "2026-11-23T11:58:00Z"},
                "status": {
                    "role": "Peer", "keysExpire": "2028-03-01T00:00:00Z",
                    "conditions": [
                        {"type": "Accepted", "status": "False"},
                        {"type": "Ready", "status": "True", "reason": "Ready"},
                        {"type": "Reachable", "status": "Unknown"}
                    ]
                }
            }),
            json!({"metadata": {"name": "a-longer-name"}}),
        ];
        let expected = "\
NAME            ROLE   READY   REACHABLE   KEYS-EXPIRE            AGE
bank-b          Peer   True    Unknown     2028-03-01T00:00:00Z   2m
a-longer-name
";
        assert_eq!(printer.table("PeerOrganization", &objects, now()), expected);
        assert_eq!(printer.table("Nothing", &objects, now()), "");
        assert_eq!(printer.table("SharedAsset", &[], now()), "");
    }

    #[test]
    fn every_column_of_every_kind_is_a_path_that_can_be_followed() {
        for (kind, columns) in Printer::new().unwrap().kinds {
            assert!(!columns.is_empty(), "{kind}");
            for column in columns {
                let filtered = column.path.contains('[');
                let object = json!({
                    "metadata": {"creationTimestamp": "x"},
                    "spec": {"mode": "x", "root": {"set": "x", "sequence": "x"}, "slice": {"bucket": "x"}},
                    "status": {
                        "role": "x", "keysExpire": "x", "resourceId": "x", "source": "x", "version": "x",
                        "peers": "x", "matches": "x", "demands": "x",
                        "conditions": [
                            {"type": "Ready", "status": "x", "reason": "x"},
                            {"type": "Reachable", "status": "x"}, {"type": "Delivered", "status": "x"}
                        ]
                    }
                });
                assert_eq!(
                    resolve(&object, &column.path),
                    Some(&json!("x")),
                    "{kind} {} {filtered}",
                    column.path
                );
            }
        }
    }
}
