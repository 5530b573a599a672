//! A libp2p peer in Rust that does what a test tells it: see ../../README.md.

mod control;
mod node;
mod settings;

use std::{collections::HashMap, env, error::Error};

use futures::StreamExt;
use libp2p::{
    Multiaddr, PeerId, Swarm,
    gossipsub::{self, IdentTopic},
    swarm::{ConnectionId, SwarmEvent, dial_opts::DialOpts},
};
use serde_json::{Value, json};

use control::{Action, Command, answer, from_base64, say, to_base64};
use node::{Behaviour, BehaviourEvent, new_swarm};

/// A node and the dials that are being waited for.
struct Peer {
    swarm: Swarm<Behaviour>,
    dials: HashMap<ConnectionId, u64>,
    /// Listeners that have not said where they listen.
    silent_listeners: usize,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let settings: settings::Settings = serde_json::from_str(
        &env::args()
            .nth(1)
            .ok_or("the settings are the one argument, as JSON")?,
    )?;
    let mut peer = Peer {
        swarm: new_swarm(&settings).await?,
        dials: HashMap::new(),
        silent_listeners: settings.listen.len(),
    };
    let mut commands = control::commands();
    loop {
        tokio::select! {
            command = commands.recv() => match command {
                Some(command) => peer.carry_out(command?),
                None => return Ok(()),
            },
            event = peer.swarm.select_next_some() => peer.take(event),
        }
    }
}

impl Peer {
    fn carry_out(&mut self, Command { id, action }: Command) {
        match action {
            Action::Dial { multiaddr } => match self.dial(&multiaddr) {
                Ok(connection) => {
                    self.dials.insert(connection, id);
                }
                Err(error) => answer(id, Err(error)),
            },
            Action::Subscribe { topic } => {
                let subscribed = self.gossipsub().subscribe(&IdentTopic::new(topic));
                answer(
                    id,
                    subscribed
                        .map(|_| Value::Null)
                        .map_err(|error| error.to_string()),
                );
            }
            Action::Subscribers { topic } => answer(id, Ok(json!(self.subscribers(&topic)))),
            Action::Publish { topic, data } => {
                let published = self.publish(&topic, &data);
                answer(id, published.map(|()| Value::Null));
            }
        }
    }

    fn gossipsub(&mut self) -> &mut gossipsub::Behaviour {
        &mut self.swarm.behaviour_mut().gossipsub
    }

    fn dial(&mut self, multiaddr: &str) -> Result<ConnectionId, String> {
        let address: Multiaddr = multiaddr.parse().map_err(|error| format!("{error}"))?;
        let options = DialOpts::from(address);
        let connection = options.connection_id();
        self.swarm
            .dial(options)
            .map_err(|error| error.to_string())?;
        Ok(connection)
    }

    fn subscribers(&mut self, topic: &str) -> Vec<String> {
        let hash = IdentTopic::new(topic).hash();
        let peers = self
            .gossipsub()
            .all_peers()
            .filter(|(_, topics)| topics.contains(&&hash));
        peers
            .map(|(peer, _): (&PeerId, _)| peer.to_string())
            .collect()
    }

    fn publish(&mut self, topic: &str, data: &[String]) -> Result<(), String> {
        for one in data {
            let bytes = from_base64(one)?;
            self.gossipsub()
                .publish(IdentTopic::new(topic), bytes)
                .map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    fn take(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Gossipsub(gossipsub::Event::Message {
                message,
                ..
            })) => {
                let author = message.source.map(|peer| peer.to_string());
                say(
                    json!({ "event": "message", "topic": message.topic.as_str(), "from": author, "data": to_base64(&message.data) }),
                );
            }
            SwarmEvent::NewListenAddr { .. } if self.silent_listeners > 0 => {
                self.silent_listeners -= 1;
                if self.silent_listeners == 0 {
                    self.say_listening();
                }
            }
            SwarmEvent::ConnectionEstablished { connection_id, .. } => {
                if let Some(id) = self.dials.remove(&connection_id) {
                    answer(id, Ok(Value::Null));
                }
            }
            SwarmEvent::OutgoingConnectionError {
                connection_id,
                error,
                ..
            } => {
                if let Some(id) = self.dials.remove(&connection_id) {
                    answer(id, Err(error.to_string()));
                }
            }
            _ => {}
        }
    }

    fn say_listening(&self) {
        let own = self.swarm.local_peer_id();
        let addresses: Vec<String> = self
            .swarm
            .listeners()
            .map(|address| format!("{address}/p2p/{own}"))
            .collect();
        say(json!({ "event": "listening", "peerId": own.to_string(), "multiaddrs": addresses }));
    }
}
