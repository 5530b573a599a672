/** The part of `WebSocket` that is used; that of browsers, of Node.js from 22 on and of the package ws fit. */
export interface WebSocketLike {
  readonly readyState: number
  send(text: string): void
  close(code?: number, reason?: string): void
  addEventListener(type: 'message', listener: (event: { data: unknown }) => void): void
  addEventListener(type: 'close', listener: (event: { code: number; reason: string }) => void): void
  addEventListener(type: 'error', listener: (event: object) => void): void
}

export type WebSocketClass = new (url: string, protocols: string[]) => WebSocketLike

/** `WebSocket.OPEN` */
export const open = 1

/** @throws TypeError where there is none, as in Node.js 20 */
export function globalWebSocket(): WebSocketClass {
  if (globalThis.WebSocket === undefined) throw new TypeError('there is no global WebSocket: pass one as `WebSocket`, such as that of ws')
  return globalThis.WebSocket
}
