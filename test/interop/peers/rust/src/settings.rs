use serde::Deserialize;

/// What a test wants of the peer; see ../../README.md. It is the only argument of the program, as JSON.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Settings {
    /// Multiaddrs.
    pub listen: Vec<String>,
    /// Whether to open direct connections through routers (DCUtR) in place of relayed ones.
    #[serde(default)]
    pub punch: bool,
    /// Where the private key is, made when there is none. Without a file every start is another peer.
    pub key_file: Option<String>,
}
