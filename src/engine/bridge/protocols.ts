/** Spoken by bridges only: peers of one network ask it for what is in the other. */
export const bridgeProtocol = '/peergate/bridge/1.0.0'
