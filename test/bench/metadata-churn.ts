/**
 * Overwrites every object of a metadata store in random order, six times, at 4 KiB and at 64 KiB sealed inline: the put
 * rate of each round, and the file against the data that is live. `node test/bench/metadata-churn.ts [directory]`: the
 * directory says which disk. Fails if the last round is under 90 % of the second's or the file past twice the live data.
 */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openLmdbStore } from '@coffer/metadata-store/drivers/lmdb'
import { inLanes, makeMetadataBucket, nullVersion, SEALED_BYTES, SUMMARY_BYTES } from './metadata-versions.ts'

const TAG_BYTES = 16
const CASES = [
  { name: '4 KiB', bodyBytes: 4_096 + TAG_BYTES, objects: 50_000 },
  { name: '64 KiB', bodyBytes: 65_536 + TAG_BYTES, objects: 8_000 },
]
const OVERWRITE_ROUNDS = 6
const WRITERS = 64
const RATE_KEPT_MIN = 0.9
const FILE_TO_LIVE_MAX = 2

const parent = process.argv[2] ?? tmpdir()
for (const churn of CASES) await run(churn)

async function run({ name, bodyBytes, objects }: (typeof CASES)[number]): Promise<void> {
  const directory = await mkdtemp(join(parent, 'coffer-bench-churn-'))
  const store = await openLmdbStore({ directory })
  const bucketId = await makeMetadataBucket(store)
  const bodies = Array.from({ length: 64 }, () => randomBytes(bodyBytes))
  const rates: number[] = []
  try {
    for (let round = 0; round <= OVERWRITE_ROUNDS; round += 1) {
      const order = shuffled(objects)
      const startedAt = performance.now()
      await inLanes(objects, WRITERS, (index) =>
        store.commitVersion(nullVersion(bucketId, keyOf(order[index] ?? 0), bodies[index % 64] as Buffer)),
      )
      rates.push(objects / ((performance.now() - startedAt) / 1000))
    }
    const liveBytes = objects * (bodyBytes + SEALED_BYTES + SUMMARY_BYTES + keyOf(0).length)
    const fileToLive = (await stat(join(directory, 'data.mdb'))).size / liveBytes
    const kept = (rates.at(-1) ?? 0) / (rates[2] ?? 0)
    console.log(
      `${name}: put/s filled ${rates[0]?.toFixed(0)}, overwritten ${rates
        .slice(1)
        .map((rate) => rate.toFixed(0))
        .join(' ')}`,
    )
    console.log(
      `${name}: last round ${(kept * 100).toFixed(0)} % of the second, file ${fileToLive.toFixed(2)} times the live data`,
    )
    if (kept < RATE_KEPT_MIN || fileToLive > FILE_TO_LIVE_MAX) process.exitCode = 1
  } finally {
    await store.close()
    await rm(directory, { recursive: true })
  }
}

function keyOf(index: number): string {
  return `folder-${index % 100}/object-${String(index).padStart(8, '0')}`
}

function shuffled(count: number): readonly number[] {
  const order = Array.from({ length: count }, (_, index) => index)
  for (let index = count - 1; index > 0; index -= 1) {
    const other = Math.floor(Math.random() * (index + 1))
    const kept = order[index] as number
    order[index] = order[other] as number
    order[other] = kept
  }
  return order
}
