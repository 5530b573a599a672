import { access } from './lists/access.ts'
import { catchUp } from './lists/catch-up.ts'
import { clock } from './lists/clock.ts'
import { direct } from './lists/direct.ts'
import { disks } from './lists/disks.ts'
import { engines } from './lists/engines.ts'
import { gateways } from './lists/gateways.ts'
import { gossip } from './lists/gossip.ts'
import { lib } from './lists/lib.ts'
import { log } from './lists/log.ts'
import { model } from './lists/model.ts'
import { peerShares } from './lists/peer-shares.ts'
import { reading } from './lists/reading.ts'
import { streamContract } from './lists/stream-contract.ts'
import type { Mutant } from './patch.ts'

/** Breaks that a reviewer would look for: checks dropped, limits off by one, things done in the wrong order, waits left out. */
export const mutants: Mutant[] = [
  ...model,
  ...lib,
  ...log,
  ...direct,
  ...catchUp,
  ...gateways,
  ...access,
  ...clock,
  ...engines,
  ...disks,
  ...gossip,
  ...peerShares,
  ...reading,
  ...streamContract,
]
