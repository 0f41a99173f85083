import { vi } from 'vitest'

const WAIT = { timeout: 60_000, interval: 50 }
const PASS_ENDED = 'the lifecycle rules of today are applied'

/** Resolves when a server has applied the lifecycle rules of today: from then on it does so only when told, until tomorrow. */
export async function untilPassIsOver(server: { logs(): string }): Promise<void> {
  await vi.waitFor(() => {
    if (!server.logs().includes(PASS_ENDED)) throw new Error(`no pass has ended:\n${server.logs()}`)
  }, WAIT)
}
