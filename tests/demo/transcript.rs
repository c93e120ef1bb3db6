//! What the demo prints: for a person who has never seen the project.

use std::io::{Stdout, Write};
use std::time::Instant;

use serde_json::Value;

/// Longest line of an explanation.
const WIDTH: usize = 92;

/// The transcript, on standard output.
#[derive(Debug)]
pub struct Transcript {
    out: Stdout,
    step: usize,
    started: Instant,
}

impl Transcript {
    /// A transcript that begins now.
    #[allow(clippy::disallowed_methods)] // the demo is a main: it says how long it took
    pub fn stdout() -> Self {
        Self {
            out: std::io::stdout(),
            step: 0,
            started: Instant::now(),
        }
    }

    fn line(&mut self, text: &str) {
        // A closed pipe must not stop the nodes from being stopped.
        let _closed = writeln!(self.out, "{text}");
        let _closed = self.out.flush();
    }

    pub fn step(&mut self, title: &str) {
        self.step += 1;
        let number = self.step;
        self.line("");
        self.line(&format!("{number}. {title}"));
    }

    pub fn say(&mut self, text: &str) {
        let mut line = String::new();
        for word in text.split_whitespace() {
            if line.len() + word.len() > WIDTH {
                self.line(&format!("   {line}"));
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        self.line(&format!("   {line}"));
    }

    pub fn progress(&mut self, text: &str) {
        let seconds = self.started.elapsed().as_secs();
        self.line(&format!("   … {text} ({seconds} s)"));
    }

    pub fn shown(&mut self, text: &str) {
        for line in text.lines() {
            self.line(&format!("   | {line}"));
        }
    }

    pub fn json(&mut self, value: &Value) {
        self.shown(&serde_json::to_string_pretty(value).unwrap_or_default());
    }

    pub fn asked(&mut self, who: &str, what: &str) {
        self.line(&format!("   {who} asks: {what}"));
    }

    pub fn refused(&mut self, body: &Value) {
        let text = |name: &str| {
            body.get(name)
                .and_then(Value::as_str)
                .unwrap_or("?")
                .to_owned()
        };
        let code = body.get("code").and_then(Value::as_u64).unwrap_or_default();
        self.line(&format!(
            "   refused: {code} {} (reference {})",
            text("title"),
            text("reference")
        ));
        self.say(&text("detail"));
    }

    pub fn seen(&mut self, text: &str) {
        self.line(&format!("   ✓ {text}"));
    }

    pub fn done(&mut self) {
        let (steps, seconds) = (self.step, self.started.elapsed().as_secs());
        self.line("");
        self.line(&format!("All {steps} steps were seen, in {seconds} s."));
    }

    pub fn failed(&mut self, error: &str) {
        self.line("");
        self.line(&format!("FAILED in step {}: {error}", self.step));
    }
}
