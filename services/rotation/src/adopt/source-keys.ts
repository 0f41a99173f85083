import type { SourceKey, SourceVersion } from './source.ts'
import { sourceError } from './source-errors.ts'

/** Held in memory while the key is worked on. */
const VERSIONS_OF_KEY_MAX = 100_000

/** A listing by keys: all of one key together, the oldest first. */
export async function* sourceKeys(listed: AsyncIterable<SourceVersion>): AsyncGenerator<SourceKey, void> {
  let newestFirst: SourceVersion[] = []
  for await (const version of listed) {
    const key = newestFirst[0]?.key
    if (key !== undefined && key !== version.key) {
      yield { key, versions: newestFirst.toReversed() }
      newestFirst = []
    }
    newestFirst.push(version)
    if (newestFirst.length > VERSIONS_OF_KEY_MAX) {
      throw sourceError('ROTATION_SOURCE_REFUSED', `more than ${VERSIONS_OF_KEY_MAX} versions of one key`)
    }
  }
  const key = newestFirst[0]?.key
  if (key !== undefined) yield { key, versions: newestFirst.toReversed() }
}
