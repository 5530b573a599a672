import { describeEngine } from '../../compliance/engine.ts'
import { customEngine } from '../../fixtures/custom-engine.ts'

describeEngine('custom', () => ({ create: (seed) => customEngine({ seed }) }), { announced: { afterMs: 0 } })
