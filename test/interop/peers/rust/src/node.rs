use std::{error::Error, fs, io::ErrorKind, time::Duration};

use libp2p::{
    Swarm, SwarmBuilder, dcutr,
    gossipsub::{self, MessageAuthenticity},
    identify,
    identity::Keypair,
    noise, relay,
    swarm::{NetworkBehaviour, behaviour::toggle::Toggle},
    tcp, yamux,
};

use crate::settings::Settings;

/// Longer than any test: a link on which no stream is open would be closed.
const IDLE: Duration = Duration::from_secs(3600);

#[derive(NetworkBehaviour)]
pub struct Behaviour {
    pub gossipsub: gossipsub::Behaviour,
    identify: identify::Behaviour,
    relay: relay::client::Behaviour,
    dcutr: Toggle<dcutr::Behaviour>,
}

/// A node with the library's defaults, listening.
pub async fn new_swarm(settings: &Settings) -> Result<Swarm<Behaviour>, Box<dyn Error>> {
    let mut swarm = SwarmBuilder::with_existing_identity(load_key(settings.key_file.as_deref())?)
        .with_tokio()
        .with_tcp(
            tcp::Config::default(),
            noise::Config::new,
            yamux::Config::default,
        )?
        .with_quic()
        .with_dns()?
        .with_websocket(noise::Config::new, yamux::Config::default)
        .await?
        .with_relay_client(noise::Config::new, yamux::Config::default)?
        .with_behaviour(|key, relay| {
            let punch = settings
                .punch
                .then(|| dcutr::Behaviour::new(key.public().to_peer_id()));
            let author = MessageAuthenticity::Signed(key.clone());
            Ok(Behaviour {
                gossipsub: gossipsub::Behaviour::new(author, gossipsub::Config::default())?,
                identify: identify::Behaviour::new(identify::Config::new(
                    "/interop/1".into(),
                    key.public(),
                )),
                relay,
                dcutr: punch.into(),
            })
        })?
        .with_swarm_config(|config| config.with_idle_connection_timeout(IDLE))
        .build();
    for address in &settings.listen {
        swarm.listen_on(address.parse()?)?;
    }
    Ok(swarm)
}

fn load_key(file: Option<&str>) -> Result<Keypair, Box<dyn Error>> {
    let Some(file) = file else {
        return Ok(Keypair::generate_ed25519());
    };
    match fs::read(file) {
        Ok(stored) => Ok(Keypair::from_protobuf_encoding(&stored)?),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let key = Keypair::generate_ed25519();
            fs::write(file, key.to_protobuf_encoding()?)?;
            Ok(key)
        }
        Err(error) => Err(error.into()),
    }
}
