//! The way to an API server, for everything here that asks one.
//!
//! Some fields of our kinds take any JSON (a pod template), and an API server takes it in any depth. A
//! parser that gives up at some depth gives up on the whole list then, and whoever may write one object would
//! keep the operator from every edit of all others. So answers are cut before they are parsed: what lies
//! deeper than [`LEVELS_MAX`] becomes `null`. No field that we know is as deep; the plan refuses what
//! nobody knows ([`opaque`](crate::node::plan::opaque)).

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Response, header};
use http_body::{Body, Frame};
use kube::client::ClientBuilder;
use kube::{Client, Config};
use tower::util::MapResponseLayer;

/// Deepest nesting of an answer that is parsed. The parser gives up at 128.
pub const LEVELS_MAX: usize = 100;

/// A client.
///
/// # Errors
/// When the configuration cannot be used: certificates, a proxy.
pub fn client(config: Config) -> Result<Client, kube::Error> {
    let cut = MapResponseLayer::new(Shallow::of);
    Ok(ClientBuilder::try_from(config)?.with_layer(&cut).build())
}

/// The body of an answer, cut while it is read: lists and watches take no more memory for it.
struct Shallow<B> {
    body: B,
    /// `None` for what is no JSON: logs.
    cut: Option<Cut>,
}

impl<B> Shallow<B> {
    fn of(answer: Response<B>) -> Response<Self> {
        let cut = is_json(answer.headers()).then(Cut::default);
        answer.map(|body| Self { body, cut })
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("application/json"))
}

impl<B: Body<Data = Bytes> + Unpin> Body for Shallow<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        let Some(cut) = &mut self.cut else {
            return Poll::Ready(frame);
        };
        Poll::Ready(frame.map(|frame| frame.map(|frame| frame.map_data(|data| cut.pass(data)))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}

/// Where in a stream of JSON documents the next byte stands.
#[derive(Debug, Default)]
struct Cut {
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl Cut {
    /// The bytes without what is too deep. What is no JSON comes out as no JSON.
    fn pass(&mut self, bytes: Bytes) -> Bytes {
        let mut kept: Option<BytesMut> = None;
        // The stretch since `from` is to be kept; `None` while everything is too deep.
        let mut from = (self.depth <= LEVELS_MAX).then_some(0);
        for (at, byte) in bytes.iter().enumerate() {
            let before = self.depth;
            self.step(*byte);
            if before == LEVELS_MAX && self.depth > LEVELS_MAX {
                let kept = kept.get_or_insert_with(|| BytesMut::with_capacity(bytes.len()));
                kept.extend_from_slice(stretch(&bytes, from, at));
                kept.extend_from_slice(b"null");
                from = None;
            } else if before > LEVELS_MAX && self.depth == LEVELS_MAX {
                from = Some(at.saturating_add(1));
            }
        }
        match (kept, from) {
            (None, Some(0)) => bytes,
            (kept, from) => {
                let mut kept = kept.unwrap_or_default();
                kept.extend_from_slice(stretch(&bytes, from, bytes.len()));
                kept.freeze()
            }
        }
    }

    fn step(&mut self, byte: u8) {
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return;
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => self.depth = self.depth.saturating_add(1),
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
    }
}

fn stretch(bytes: &[u8], from: Option<usize>, to: usize) -> &[u8] {
    from.and_then(|from| bytes.get(from..to))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    /// What is left of a value that stands so deep.
    fn cut(value: &Value, depth: usize) -> Value {
        if depth > LEVELS_MAX && (value.is_object() || value.is_array()) {
            return Value::Null;
        }
        match value {
            Value::Object(members) => {
                let members = members.iter();
                Value::Object(
                    members
                        .map(|(k, v)| (k.clone(), cut(v, depth + 1)))
                        .collect(),
                )
            }
            Value::Array(items) => items.iter().map(|item| cut(item, depth + 1)).collect(),
            plain => plain.clone(),
        }
    }

    /// The text as it comes out, when it comes in pieces of these sizes, again and again.
    fn passed(text: &str, sizes: &[usize]) -> String {
        let (mut filter, mut out, mut rest) = (Cut::default(), Vec::new(), text.as_bytes());
        for size in sizes.iter().cycle() {
            let (piece, others) =
                rest.split_at((*size).clamp(1, rest.len().max(1)).min(rest.len()));
            out.extend_from_slice(&filter.pass(Bytes::copy_from_slice(piece)));
            rest = others;
            if rest.is_empty() {
                return String::from_utf8(out).unwrap();
            }
        }
        unreachable!("there are sizes")
    }

    /// A value under so many levels of objects and arrays, with siblings on the way.
    fn under(levels: usize, value: Value) -> Value {
        (0..levels).fold(value, |inner, level| match level % 2 {
            0 => json!({"a": "}]", "b": inner, "c": [level]}),
            _ => json!([{"x": 1}, inner, "\\\"{"]),
        })
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let text = r#"[ -~]{0,6}|[\\"\[\]{}]{0,6}|[äßx€]{0,3}"#;
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            text.prop_map(Value::from),
        ];
        leaf.prop_recursive(6, 64, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(text, inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_too_deep_becomes_null_and_nothing_else_changes(
            values in prop::collection::vec((any_value(), 0..LEVELS_MAX + 20), 1..4),
            sizes in prop::collection::vec(1_usize..40, 1..5),
        ) {
            // A watch is one document a line.
            let values: Vec<Value> = values.into_iter().map(|(v, levels)| under(levels, v)).collect();
            let text: String = values.iter().map(|v| format!("{v}\n")).collect();
            let expected: String = values.iter().map(|v| format!("{}\n", cut(v, 1))).collect();
            prop_assert_eq!(passed(&text, &sizes), expected);
        }
    }

    #[test]
    fn a_parser_that_gives_up_on_the_depth_takes_what_is_left() {
        let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
        let list = format!(r#"{{"items": [{deep}, {{"name": "next"}}]}}"#);
        assert!(serde_json::from_str::<Value>(&list).is_err());
        let left: Value = serde_json::from_str(&passed(&list, &[7])).unwrap();
        assert_eq!(left["items"][1], json!({"name": "next"}));
    }

    #[test]
    fn an_ordinary_answer_is_the_same_bytes() {
        let bytes = Bytes::from(json!({"items": [{"spec": {}}]}).to_string());
        let passed = Cut::default().pass(bytes.clone());
        assert_eq!(passed.as_ptr(), bytes.as_ptr());
    }

    #[test]
    fn what_is_no_json_passes_as_it_is() {
        let kinds = [
            ("application/json", true),
            ("application/json;charset=utf-8", true),
            ("text/plain", false),
        ];
        for (kind, is_cut) in kinds {
            let answer = Response::builder().header(header::CONTENT_TYPE, kind);
            let answer = Shallow::of(answer.body(()).unwrap());
            assert_eq!(answer.body().cut.is_some(), is_cut, "{kind}");
        }
        assert!(Shallow::of(Response::new(())).body().cut.is_none());
    }
}
