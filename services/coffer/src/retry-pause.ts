const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 5_000

/** How long to wait before the `failureCount`th new attempt: twice as long each time, up to five seconds. */
export function retryPauseMs(failureCount: number): number {
  return Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(failureCount, 16))
}
