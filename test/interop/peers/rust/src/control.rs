//! Commands on the standard input, answers and events on the standard output: a line of JSON each.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader, stdin},
    sync::mpsc,
};

#[derive(Deserialize)]
pub struct Command {
    pub id: u64,
    #[serde(flatten)]
    pub action: Action,
}

#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Action {
    Dial {
        multiaddr: String,
    },
    Reserve {
        multiaddr: String,
    },
    Relayed {
        peer_id: String,
    },
    Subscribe {
        topic: String,
    },
    Subscribers {
        topic: String,
    },
    /// Messages in base64, which are published without a pause.
    Publish {
        topic: String,
        data: Vec<String>,
    },
    Dropped,
}

/// Commands in their order; there are no more when the input ends.
pub fn commands() -> mpsc::UnboundedReceiver<Result<Command, serde_json::Error>> {
    let (sender, receiver) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut lines = BufReader::new(stdin()).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            if sender.send(serde_json::from_str(&line)).is_err() {
                return;
            }
        }
    });
    receiver
}

pub fn say(line: Value) {
    println!("{line}");
}

pub fn answer(id: u64, result: Result<Value, String>) {
    match result {
        Ok(result) => say(json!({ "id": id, "result": result })),
        Err(error) => say(json!({ "id": id, "error": error })),
    }
}

pub fn to_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

pub fn from_base64(text: &str) -> Result<Vec<u8>, String> {
    STANDARD.decode(text).map_err(|error| error.to_string())
}
