import { expect, it } from 'vitest'
import type { EventMessage, EventTarget } from './event-target.ts'
import { withDeadline } from './with-deadline.ts'

const TIMEOUT_MS = 20
const message: EventMessage = { id: '1', createdAt: 0, eventName: 'e', bucket: 'b', key: 'k', body: '{}' }

/** Settles nothing until it is told to, and then whatever it has been sent. */
function hanging() {
  const sent: PromiseWithResolvers<void>[] = []
  const target: EventTarget = {
    send() {
      const one = Promise.withResolvers<void>()
      sent.push(one)
      return one.promise
    },
    close: () => new Promise(() => {}),
  }
  return { sent, target }
}

const outcomeOf = (sending: Promise<void>) =>
  sending.then(
    () => 'taken',
    (error: { code?: string; details?: { reason?: string } }) => `${error.code} ${error.details?.reason}`,
  )

it('gives back what is not settled in time, and does not mind what it settles with later', async () => {
  const { sent, target } = hanging()
  const bounded = withDeadline(target, TIMEOUT_MS)
  const outcomes = Promise.all([bounded.send(message), bounded.send(message)].map(outcomeOf))
  const late = `EVENT_TARGET_UNAVAILABLE no answer in ${TIMEOUT_MS} ms`
  expect(await outcomes).toEqual([late, late])
  // An unhandled rejection would fail this file.
  sent[0]?.reject(new Error('too late'))
  sent[1]?.resolve()
  const third = bounded.send(message)
  sent[2]?.resolve()
  expect(await outcomeOf(third)).toBe('taken')
})

it('passes on what a target says in time, also where it throws at once', async () => {
  const refusal = Object.assign(new Error('no'), { code: 'EVENT_TARGET_REFUSED' })
  const throwing: EventTarget = {
    send() {
      throw refusal
    },
    close: async () => {},
  }
  await expect(withDeadline(throwing, 60_000).send(message)).rejects.toBe(refusal)
})

it('gives a target that has settled none of a thousand one message at a time, until it settles one', async () => {
  const { sent, target } = hanging()
  const bounded = withDeadline(target, TIMEOUT_MS)
  await Promise.all(Array.from({ length: 1_000 }, () => outcomeOf(bounded.send(message))))
  const probe = outcomeOf(bounded.send(message))
  const beside = await outcomeOf(bounded.send(message))
  expect([beside, sent.length]).toEqual(['EVENT_TARGET_UNAVAILABLE earlier messages are without an answer', 1_001])
  expect(await probe).toContain('no answer')
  const last = bounded.send(message)
  sent.at(-1)?.resolve()
  await last
  const many = [bounded.send(message), bounded.send(message)]
  for (const one of sent.slice(-2)) one.resolve()
  expect(await Promise.all(many.map(outcomeOf))).toEqual(['taken', 'taken'])
})

it('does not wait for ever for a target to close', async () => {
  await withDeadline(hanging().target, TIMEOUT_MS).close()
})
