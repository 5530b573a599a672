import { defaultLimits } from '../src/limits.ts'
import { quietEnvironment } from '../test/fixtures/gateway-process.ts'

const unlimited = String(10 ** 9)

/**
 * Environment of a gateway whose rate limits one client cannot reach: here one client stands for many. It pings no
 * client, since those that only count bytes do not answer.
 */
export function benchEnvironment(...init: Parameters<typeof quietEnvironment>): Record<string, string> {
  return {
    ...quietEnvironment(...init),
    PEERGATE_MAX_EVENT_LOOP_DELAY_MS: String(defaultLimits.maxEventLoopDelayMs),
    PEERGATE_TOKEN_RATE: unlimited,
    PEERGATE_TOKEN_BURST: unlimited,
    PEERGATE_ADDRESS_RATE: unlimited,
    PEERGATE_ADDRESS_BURST: unlimited,
    PEERGATE_HEARTBEAT_MS: '3600000',
  }
}
