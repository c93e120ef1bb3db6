//! The table, and `target/bench/report.json`.

use std::io::Write;

use serde_json::{Value, json};

/// One line on standard output.
pub fn line(text: &str) {
    let _closed = writeln!(std::io::stdout(), "{text}");
}

/// One figure.
#[derive(Clone, Debug)]
pub struct Row {
    name: &'static str,
    value: f64,
    unit: &'static str,
    reference: Option<f64>,
    bar: Option<f64>,
    most: Option<f64>,
}

impl Row {
    pub fn new(name: &'static str, value: f64, unit: &'static str) -> Self {
        Self {
            name,
            value,
            unit,
            reference: None,
            bar: None,
            most: None,
        }
    }

    /// Beside a figure of the same run.
    pub fn against(mut self, reference: f64) -> Self {
        self.reference = Some(reference);
        self
    }

    /// The lowest ratio that is good enough.
    pub fn at_least(mut self, bar: f64) -> Self {
        self.bar = Some(bar);
        self
    }

    /// The highest value that is good enough.
    pub fn at_most(mut self, most: f64) -> Self {
        self.most = Some(most);
        self
    }

    fn ratio(&self) -> Option<f64> {
        self.reference.map(|reference| self.value / reference)
    }

    fn met(&self) -> Option<bool> {
        match self.most {
            Some(most) => Some(self.value <= most),
            None => Some(self.ratio()? >= self.bar?),
        }
    }

    fn json(&self) -> Value {
        json!({
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "reference": self.reference,
            "ratio": self.ratio(),
            "bar": self.bar.or(self.most),
            "met": self.met(),
        })
    }
}

/// All figures of a run.
#[derive(Debug)]
pub struct Report {
    title: String,
    rows: Vec<Row>,
}

impl Report {
    pub fn new(title: String) -> Self {
        Self {
            title,
            rows: Vec::new(),
        }
    }

    pub fn add(&mut self, row: Row) {
        self.rows.push(row);
    }

    pub fn print(&self) {
        let or_dash = |value: Option<f64>| value.map_or("-".to_owned(), |v| format!("{v:.2}"));
        line(&self.title);
        line(&format!(
            "{:<26}{:>12} {:<5}{:>12}{:>8}{:>7}  met",
            "name", "value", "unit", "reference", "ratio", "bar"
        ));
        for row in &self.rows {
            let met = match row.met() {
                None => "-",
                Some(true) => "yes",
                Some(false) => "NO",
            };
            line(&format!(
                "{:<26}{:>12.2} {:<5}{:>12}{:>8}{:>7}  {met}",
                row.name,
                row.value,
                row.unit,
                or_dash(row.reference),
                or_dash(row.ratio()),
                or_dash(row.bar.or(row.most)),
            ));
        }
    }

    /// Writes `target/bench/report.json`; figures of other runs stay.
    pub fn write(&self) -> Result<(), String> {
        let folder = finp2p_tests::binaries::root().join("target/bench");
        std::fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
        let path = folder.join("report.json");
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        let kept: Vec<Value> = serde_json::from_str(&kept).unwrap_or_default();
        let new: Vec<Value> = self.rows.iter().map(Row::json).collect();
        let is_new = |row: &Value| new.iter().any(|n| n["name"] == row["name"]);
        let mut rows: Vec<Value> = kept.into_iter().filter(|row| !is_new(row)).collect();
        rows.extend(new.iter().cloned());
        let text = serde_json::to_string_pretty(&rows).map_err(|e| e.to_string())?;
        std::fs::write(path, text + "\n").map_err(|e| e.to_string())
    }
}
