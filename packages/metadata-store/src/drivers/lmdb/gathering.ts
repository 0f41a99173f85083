/** After so many commits it is tried again whether more writers are there than were. */
const RETRY_COMMITS = 64

/**
 * How many changes a commit is worth waiting for. Whoever is answered by one commit often comes back with the next change while
 * the next commit, of those who came meanwhile, has begun: writers then fall into groups that wait for one another's fdatasync.
 * A short wait for those of the last commit joins the groups. A wait that was in vain says how many writers there are, so that
 * a single one does not wait.
 */
export class Gathering {
  #lastCount = 0
  /** Seen to come together; unknown to begin with, and from time to time. */
  #attainable = Number.POSITIVE_INFINITY
  #commits = 0

  /** `count`: of the changes that are here. */
  wanted(count: number): number {
    return Math.max(count, Math.min(count + this.#lastCount, this.#attainable))
  }

  /** A commit of so many changes; `isInVain`: it was waited for more, and they did not come. */
  committed(count: number, isInVain: boolean): void {
    this.#lastCount = count
    this.#commits += 1
    if (this.#commits % RETRY_COMMITS === 0) this.#attainable = Number.POSITIVE_INFINITY
    else if (isInVain || count > this.#attainable) this.#attainable = count
  }
}
