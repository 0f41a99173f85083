/** Pauses after failures: doubled each time, with jitter, so that relays and targets do not fall into step. */
const FIRST_MS = 200
const LONGEST_MS = 30_000

/** `attempts`: failures so far, from 1. */
export function retryPauseMs(attempts: number): number {
  const ceiling = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(attempts - 1, 16))
  return ceiling / 2 + Math.random() * (ceiling / 2)
}
