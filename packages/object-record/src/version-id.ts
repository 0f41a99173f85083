import { fillPublicRandom } from '@coffer/crypto-core'
import type { VersionId } from '@coffer/metadata-store'

const TIME_BYTES = 6
const RANDOM_BYTES = 10

/**
 * A new version id: 48-bit milliseconds, then 80 random bits, as 32 hex characters, so that byte order is age order.
 * `newerThan`: the id must sort after this one even if this machine's clock is behind the one that made it.
 */
export function newVersionId(nowMs: number, newerThan?: VersionId): VersionId {
  const id = Buffer.allocUnsafe(TIME_BYTES + RANDOM_BYTES)
  const floorMs = newerThan === undefined ? 0 : Number.parseInt(newerThan.slice(0, TIME_BYTES * 2), 16) + 1
  id.writeUIntBE(Math.max(nowMs, floorMs), 0, TIME_BYTES)
  fillPublicRandom(id, TIME_BYTES, RANDOM_BYTES)
  return id.toString('hex')
}
