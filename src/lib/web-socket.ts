import type { WebSocket } from 'ws'

/**
 * To be called with each WebSocket in the turn in which it comes to be, accepted or dialled, before anything is decided about it: a socket
 * that fails with nobody listening to `error` ends the process, also one that was refused or given up. `ws` closes by itself after an
 * error; who uses the socket hears of it by `close`, or listens as well. (Unread pongs are bounded by `ws`: `maxPendingAutoPongs`.)
 */
export function adoptWebSocket(socket: WebSocket): void {
  socket.on('error', ignore)
}

// One function for all sockets: a closure for each would cost memory where there are thousands of them.
function ignore(): void {}
