/**
 * Spoken by bridges only, so that bridges know each other. Peers of one network ask it for what is in the other
 * (carry.ts).
 */
export const bridgeProtocol = '/peergate/bridge/1.0.0'

/** Spoken by every gateway: a bridge brings what a peer of the other network has signed for it (answering.ts). */
export const bridgedProtocol = '/peergate/bridged/1.0.0'
