/** Announced by bridges only, so that bridges know each other. A request of it has an empty answer. */
export const bridgeProtocol = '/peergate/bridge/1.0.0'
