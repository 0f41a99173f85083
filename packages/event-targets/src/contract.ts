import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { failureOf } from './errors.ts'
import type { EventMessage, EventTarget } from './event-target.ts'

/** A target and the real thing behind it. */
export interface TargetUnderTest {
  readonly target: EventTarget
  /** The bodies that have arrived, in order. */
  received(): Promise<readonly string[]>
  /** The other side goes away, abruptly, and comes back with what it had stored. */
  stop(): Promise<void>
  start(): Promise<void>
  dispose(): Promise<void>
}

const PATIENCE_MS = 60_000

export function messageOf(body: string, changes: Partial<EventMessage> = {}): EventMessage {
  return {
    id: randomUUID(),
    createdAt: Date.now(),
    eventName: 's3:ObjectCreated:Put',
    bucket: 'photos',
    key: 'cat.jpg',
    body,
    ...changes,
  }
}

async function eventually<T>(read: () => Promise<T>, isRight: (value: T) => boolean): Promise<T> {
  const deadline = Date.now() + PATIENCE_MS
  for (;;) {
    const value = await read()
    if (isRight(value) || Date.now() > deadline) return value
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

/** What an event target promises, against the real other side. */
export function eventTargetContract(name: string, open: () => Promise<TargetUnderTest>): void {
  describe(`${name} keeps the promises of an event target`, () => {
    let under: TargetUnderTest
    beforeAll(async () => {
      under = await open()
    })
    afterAll(() => under.dispose())

    test('what was acknowledged has arrived, whole and in order', async () => {
      const bodies = ['{"n":1}', '{"n":2,"text":"ä ✓ \\u0000"}', `{"n":3,"long":"${'x'.repeat(8_000)}"}`]
      for (const body of bodies) await under.target.send(messageOf(body))
      expect(await eventually(under.received, (all) => all.length >= 3)).toEqual(bodies)
    })

    test('many at once all arrive', async () => {
      const before = (await under.received()).length
      await Promise.all(Array.from({ length: 200 }, (_, n) => under.target.send(messageOf(`{"many":${n}}`))))
      const all = await eventually(under.received, (bodies) => bodies.length >= before + 200)
      expect(new Set(all.slice(before))).toEqual(new Set(Array.from({ length: 200 }, (_, n) => `{"many":${n}}`)))
    })

    test('while the other side is away a message is unavailable, never acknowledged; then it arrives', async () => {
      await under.stop()
      const error = await under.target.send(messageOf('{"lost":true}')).then(
        () => undefined,
        (reason: unknown) => reason,
      )
      expect(failureOf(error)?.code).toBe('EVENT_TARGET_UNAVAILABLE')
      await under.start()
      const message = messageOf('{"after":true}')
      const sent = await eventually(
        () =>
          under.target.send(message).then(
            () => true,
            () => false,
          ),
        (done) => done,
      )
      expect(sent).toBe(true)
      expect(await eventually(under.received, (all) => all.includes(message.body))).toContain(message.body)
    })
  })
}
