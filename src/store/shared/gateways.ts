import { z } from 'zod'
import { registrationSchema } from '../../model/validator.ts'
import type { GatewayStore } from '../gateway-store.ts'
import type { Models } from './models.ts'
import { attemptAsync } from './unavailable.ts'

const aboutSchema = z.object({
  engine: z.string(),
  version: z.string(),
  multiaddrs: z.array(z.string()),
  state: z.string(),
  services: z.array(z.string()).optional(),
  judged: z.array(registrationSchema).optional(),
})

export function createGatewayStore(components: { prisma: () => Models; claim: (peerId: string) => Promise<boolean> }): GatewayStore {
  const { prisma, claim } = components
  return {
    claim,
    note: ({ peerId, about, startedAt, seenAt }) =>
      attemptAsync(async () => {
        const row = { about: JSON.stringify(about), startedAt, seenAt }
        await prisma().gateway.upsert({ where: { peerId }, create: { peerId, ...row }, update: row })
      }),
    list: ({ seenSince }) =>
      attemptAsync(async () => {
        const rows = await prisma().gateway.findMany({ where: { seenAt: { gte: seenSince } }, orderBy: { peerId: 'asc' } })
        return rows.map(({ peerId, about, startedAt, seenAt }) => ({
          peerId,
          about: aboutSchema.parse(JSON.parse(about)),
          startedAt: Number(startedAt),
          seenAt: Number(seenAt),
        }))
      }),
    forget: ({ seenBefore }) =>
      attemptAsync(async () => void (await prisma().gateway.deleteMany({ where: { seenAt: { lt: seenBefore } } }))),
  }
}
