import type { EventTargetStatus } from '@coffer/contracts'
import { expect } from 'vitest'
import type { JetStreamServer } from '../events/jet-stream.ts'
import { cofferJson } from '../harness/coffer-command.ts'
import type { ToldVersion } from './load-under-faults.ts'

type Environment = Parameters<typeof cofferJson>[0]

/** The target `stream` has nothing before it, and an event of each version came to it. */
export async function expectEventsOf(
  told: readonly ToldVersion[],
  at: { readonly mesh: Environment; readonly stream: JetStreamServer; readonly name: string },
  patience: { readonly timeout: number; readonly interval: number },
): Promise<void> {
  const waiting = async () => {
    const targets = await cofferJson<EventTargetStatus[]>(at.mesh, ['events', 'status'])
    return targets.find(({ target }) => target === 'stream')?.waitingCount
  }
  await expect.poll(waiting, patience).toBe(0)
  const events = (await at.stream.messages(at.name)).map(({ body }) => body).join('\n')
  expect(told.filter(({ versionId }) => !events.includes(versionId))).toEqual([])
}
