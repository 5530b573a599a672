//! A libp2p peer in Rust that does what a test tells it: see ../../README.md.

mod control;
mod node;
mod settings;

use std::{collections::HashMap, env, error::Error};

use futures::StreamExt;
use libp2p::{
    Multiaddr, PeerId, Swarm,
    gossipsub::{self, IdentTopic},
    multiaddr::Protocol,
    relay,
    swarm::{ConnectionId, SwarmEvent, dial_opts::DialOpts},
};
use serde_json::{Value, json};

use control::{Action, Command, answer, from_base64, say, to_base64};
use node::{Behaviour, BehaviourEvent, new_swarm};

/// A node and the dials that are being waited for.
struct Peer {
    swarm: Swarm<Behaviour>,
    dials: HashMap<ConnectionId, u64>,
    /// Who is at the other end, and whether a relay is in between.
    connections: HashMap<ConnectionId, (PeerId, bool)>,
    reservation: Option<Reservation>,
    /// Whether a peer has told where it sees this one, without which no hole is punched.
    is_seen: bool,
    punches: bool,
    /// Listeners that have not said where they listen.
    silent_listeners: usize,
    /// Messages that have waited for a neighbour for too long.
    dropped: usize,
}

/// A place at a relay that a command asks for, until the answer.
struct Reservation {
    id: u64,
    relay: Multiaddr,
    /// What was granted.
    granted: Option<Value>,
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
        connections: HashMap::new(),
        reservation: None,
        is_seen: false,
        punches: settings.punch,
        silent_listeners: settings.listen.len(),
        dropped: 0,
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
            Action::Reserve { multiaddr } => {
                if let Err(error) = self.reserve(id, multiaddr) {
                    answer(id, Err(error));
                }
            }
            Action::Relayed { peer_id } => answer(id, Ok(json!(self.relayed(&peer_id)))),
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
            Action::Dropped => answer(id, Ok(json!(self.dropped))),
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

    fn reserve(&mut self, id: u64, multiaddr: String) -> Result<(), String> {
        let relay: Multiaddr = multiaddr.parse().map_err(|error| format!("{error}"))?;
        self.swarm
            .listen_on(relay.clone().with(Protocol::P2pCircuit))
            .map_err(|error| error.to_string())?;
        self.reservation = Some(Reservation {
            id,
            relay,
            granted: None,
        });
        Ok(())
    }

    fn granted(&mut self, seconds: f64, bytes: u64) {
        let own = *self.swarm.local_peer_id();
        let Some(reservation) = &mut self.reservation else {
            return;
        };
        let relay = reservation.relay.clone();
        let address = relay.with(Protocol::P2pCircuit).with(Protocol::P2p(own));
        reservation.granted = Some(json!({
            "multiaddrs": [address.to_string()],
            "seconds": seconds,
            "bytes": bytes,
        }));
        self.answer_reservation();
    }

    fn answer_reservation(&mut self) {
        if self.punches && !self.is_seen {
            return;
        }
        if let Some(Reservation {
            id,
            granted: Some(granted),
            ..
        }) = &self.reservation
        {
            answer(*id, Ok(granted.clone()));
            self.reservation = None;
        }
    }

    /// Of each connection to a peer, whether it goes through a relay.
    fn relayed(&self, wanted: &str) -> Vec<bool> {
        let there = self.connections.values();
        there
            .filter(|(peer, _)| peer.to_string() == wanted)
            .map(|(_, is_relayed)| *is_relayed)
            .collect()
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
            SwarmEvent::Behaviour(BehaviourEvent::Gossipsub(gossipsub::Event::SlowPeer {
                failed_messages,
                ..
            })) => {
                self.dropped += failed_messages.non_priority;
            }
            SwarmEvent::NewListenAddr { .. } if self.silent_listeners > 0 => {
                self.silent_listeners -= 1;
                if self.silent_listeners == 0 {
                    self.say_listening();
                }
            }
            SwarmEvent::Behaviour(BehaviourEvent::Relay(
                relay::client::Event::ReservationReqAccepted { limit, .. },
            )) => {
                let duration = limit.as_ref().and_then(|limit| limit.duration());
                let bytes = limit.as_ref().and_then(|limit| limit.data_in_bytes());
                self.granted(
                    duration.map_or(0.0, |time| time.as_secs_f64()),
                    bytes.unwrap_or(0),
                );
            }
            SwarmEvent::NewExternalAddrCandidate { .. } => {
                self.is_seen = true;
                self.answer_reservation();
            }
            SwarmEvent::ConnectionClosed { connection_id, .. } => {
                self.connections.remove(&connection_id);
            }
            SwarmEvent::ConnectionEstablished {
                connection_id,
                peer_id,
                endpoint,
                ..
            } => {
                self.connections
                    .insert(connection_id, (peer_id, endpoint.is_relayed()));
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
