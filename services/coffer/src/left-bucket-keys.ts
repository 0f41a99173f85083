import type { Logger, Mesh } from '@coffer/mesh'

const INTERVAL_MS = 3_600_000
const PAGE_BUCKETS = 200

/** A deletion erases the keys of its bucket itself: what it could not is looked for at the start and each hour. */
export class LeftBucketKeys {
  readonly #mesh: Mesh
  readonly #logger: Logger
  #nextAt = 0

  constructor(mesh: Mesh, logger: Logger) {
    this.#mesh = mesh
    this.#logger = logger
  }

  async removeEachHour(): Promise<void> {
    if (performance.now() < this.#nextAt) return
    this.#nextAt = performance.now() + INTERVAL_MS
    try {
      let removedCount = 0
      for (let afterId: string | undefined = ''; afterId !== undefined; ) {
        const page: { removedCount: number; next?: string } = await this.#mesh
          .use('crypto')
          .removeLeftBucketKeys({ afterId, limit: PAGE_BUCKETS })
        removedCount += page.removedCount
        afterId = page.next
      }
      if (removedCount > 0) this.#logger.info({ removedCount }, 'bucket keys of deleted buckets removed')
    } catch (error) {
      this.#logger.error(
        { err: error },
        'bucket keys of deleted buckets could not be looked for; the next attempt is in an hour',
      )
    }
  }
}
