import type { Ages } from '../clock/ages.ts'
import type { DeliveryView } from '../model/delivery.ts'
import type { DeliveryRecord } from '../store/delivery-store.ts'

export function deliveryView(
  { bytes: _, expiresAt, createdAt, updatedAt, ...record }: DeliveryRecord,
  clock: Pick<Ages, 'toWall'>,
): DeliveryView {
  const [expires, created, updated] = [expiresAt, createdAt, updatedAt].map((time) => new Date(clock.toWall(time)).toISOString())
  return { ...record, expiresAt: expires ?? '', createdAt: created ?? '', updatedAt: updated ?? '' }
}
