import { describeEngine } from '../compliance/engine.ts'
import { libp2pEngine } from '../fixtures/libp2p-engine.ts'

describeEngine('libp2p', () => ({ create: (seed) => libp2pEngine({ seed }) }))
