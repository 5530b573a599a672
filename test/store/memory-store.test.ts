import { describeStore } from '../compliance/store.ts'
import { createMemoryDisk, createMemoryStore } from '../fixtures/memory-store.ts'

describeStore('memory', async () => {
  const disk = createMemoryDisk()
  return {
    open: () => createMemoryStore(disk),
    async spoil(what) {
      if ('message' in what) return void disk.broken.add(what.message)
      if ('consumer' in what) return void disk.consumers.consumers.delete(what.consumer)
      const delivery = disk.deliveries.deliveries.get(what.delivery)
      if (delivery !== undefined) delivery.envelope = undefined
    },
  }
})
