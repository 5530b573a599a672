/**
 * `request_place`: a request of a peer had no place at its handler. `body_refused`: a body of a peer, or more of it, had no room.
 * `body_given_up`: one made room for others. `told_dial`: a dial on others' word was not made. `unread_link`: a link was cut whose other
 * end did not read what it made this node write. `frame_flood`: a link was cut whose other end sent more frames that ask for nothing than any
 * honest peer. `dht_record`: a record of the DHT was not kept for others. `link`: there were as many links as may be. `link_share`: peers of one
 * address had their share of them. `relay_reservation`, `relay_circuit`: a peer was not to be reached, or reached nobody, through this relay.
 * `peer_message_size`: a message was not sent to a peer that had ended the gossip with this node over one that was no larger.
 */
export type EngineLimit = (typeof engineLimits)[number]

export const engineLimits = [
  ...(['request_place', 'body_refused', 'body_given_up', 'told_dial', 'unread_link', 'frame_flood', 'dht_record'] as const),
  ...(['link', 'link_share', 'relay_reservation', 'relay_circuit', 'peer_message_size'] as const),
] as const
