import { describeEngine } from '../../compliance/engine.ts'
import { bothEngine } from '../../fixtures/both-engine.ts'

describeEngine('both', () => ({ create: (seed) => bothEngine({ seed }) }))
