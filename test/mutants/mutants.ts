import { access } from './lists/access.ts'
import { bridge } from './lists/bridge.ts'
import { bridgedRequests } from './lists/bridged-requests.ts'
import { catchUp } from './lists/catch-up.ts'
import { clientBytes } from './lists/client-bytes.ts'
import { clientTypescript } from './lists/client-typescript.ts'
import { clock } from './lists/clock.ts'
import { consumers } from './lists/consumers.ts'
import { customEngine } from './lists/custom-engine.ts'
import { delegatedRouting } from './lists/delegated-routing.ts'
import { direct } from './lists/direct.ts'
import { disks } from './lists/disks.ts'
import { durableStreams } from './lists/durable-streams.ts'
import { engines } from './lists/engines.ts'
import { gateways } from './lists/gateways.ts'
import { gossip } from './lists/gossip.ts'
import { http } from './lists/http.ts'
import { identity } from './lists/identity.ts'
import { lib } from './lists/lib.ts'
import { log } from './lists/log.ts'
import { logReading } from './lists/log-reading.ts'
import { model } from './lists/model.ts'
import { peerShares } from './lists/peer-shares.ts'
import { portMapping } from './lists/port-mapping.ts'
import { publishing } from './lists/publishing.ts'
import { punching } from './lists/punching.ts'
import { reading } from './lists/reading.ts'
import { receivedGossip } from './lists/received-gossip.ts'
import { relays } from './lists/relays.ts'
import { stores } from './lists/stores.ts'
import { streamContract } from './lists/stream-contract.ts'
import { streams } from './lists/streams.ts'
import { topicsAndPeers } from './lists/topics-and-peers.ts'
import { webhooks } from './lists/webhooks.ts'
import { webRtc } from './lists/webrtc.ts'
import type { Mutant } from './patch.ts'

/** Breaks that a reviewer would look for: checks dropped, limits off by one, things done in the wrong order, waits left out. */
export const mutants: Mutant[] = [
  ...model,
  ...lib,
  ...log,
  ...logReading,
  ...publishing,
  ...topicsAndPeers,
  ...streams,
  ...stores,
  ...consumers,
  ...direct,
  ...catchUp,
  ...gateways,
  ...access,
  ...http,
  ...identity,
  ...clock,
  ...engines,
  ...bridge,
  ...customEngine,
  ...disks,
  ...gossip,
  ...receivedGossip,
  ...peerShares,
  ...reading,
  ...streamContract,
  ...durableStreams,
  ...delegatedRouting,
  ...bridgedRequests,
  ...webhooks,
  ...webRtc,
  ...portMapping,
  ...punching,
  ...relays,
  ...clientTypescript,
  ...clientBytes,
]
