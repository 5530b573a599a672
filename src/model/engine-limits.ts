/**
 * Limits of the engine, as values of a metric label.
 * - `request_place`: the handler of a peer's request was at its maximum.
 * - `body_refused`: a peer's body, or the rest of it, found no room.
 * - `body_given_up`: a peer's body was dropped to make room for others.
 * - `told_dial`: an address learnt from a peer was not dialled.
 * - `unread_link`: a link was closed because its peer did not read the data that it caused.
 * - `frame_flood`: a link was closed because its peer sent more unsolicited frames than any honest peer.
 * - `dht_record`: a DHT record of another peer was not stored.
 * - `link`, `link_share`: the maximum of links, or the share of one address, was reached.
 * - `half_open`: a connection was refused, or ended, before its peer had proved who it is, for others' sake.
 * - `relay_reservation`, `relay_circuit`: this relay refused a reservation or a circuit.
 * - `webrtc`: a WebRTC connection was not begun, since there are too many, or a peer has begun too many lately.
 * - `unread_webrtc`: a stream over WebRTC was reset because its peer sent faster than it was read, and nothing holds it back.
 * - `bridged_topic`: a bridge did not subscribe to a topic in one network for the other's subscribers.
 * - `bridged_request`: a request was refused by the bridge that was to carry it, or by its recipient behind a bridge.
 * - `peer_topic`: there was no room to take note of a topic that a peer has joined.
 * - `peer_message_size`: a message was not sent to a peer that had ended the gossip over one that was no larger.
 */
export type EngineLimit = (typeof engineLimits)[number]

export const engineLimits = [
  ...(['request_place', 'body_refused', 'body_given_up', 'told_dial', 'unread_link', 'frame_flood', 'dht_record'] as const),
  ...([
    'half_open',
    'link',
    'link_share',
    'relay_reservation',
    'relay_circuit',
    'peer_message_size',
    'bridged_topic',
    'bridged_request',
  ] as const),
  ...(['peer_topic', 'webrtc', 'unread_webrtc'] as const),
] as const
