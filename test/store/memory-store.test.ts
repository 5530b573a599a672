import { describeStore } from '../compliance/store.ts'
import { createMemoryDisk, createMemoryStore } from '../fixtures/memory-store.ts'

describeStore('memory', async () => {
  const disk = createMemoryDisk()
  return { open: () => createMemoryStore(disk) }
})
