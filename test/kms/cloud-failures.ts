import type { KmsConnector } from '@coffer/kms'
import { describe, expect, it, vi } from 'vitest'
import type { Misbehaviour } from './cloud-double.ts'

/** All that an error says, its causes and details included. */
export function textsOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return [error.stack, JSON.stringify(error), textsOf(error.cause)].join('\n')
}

const MISBEHAVIOURS: readonly (readonly [string, Misbehaviour])[] = [
  ['does not answer', 'nothing'],
  ['cuts its answer', 'cut'],
  ['answers with rubbish', { status: 200, text: '\u0000\u0001 not JSON' }],
  ['answers with an empty object', { status: 200, body: {} }],
  ['answers with other types', { status: 200, body: { plaintext: 7, ciphertext: [], value: {}, key: 'k', kid: 1 } }],
  ["answers with a proxy's page", { status: 404, text: '<html>not found</html>' }],
  ['answers that it is overloaded', { status: 429, body: { error: { code: 429, message: 'slow down' } } }],
  ['answers with a failure', { status: 503, body: { error: { code: 503, message: 'down' } } }],
  ['answers with a redirect', { status: 302, text: '' }],
]

/** What answers in the place of a service while it is set. */
interface Misbehaving {
  misbehave: ((request: never) => Misbehaviour | undefined) | undefined
}

/** Of a connector under test whose calls shall be answered, on however busy a machine. */
export const PATIENT_MS = 60_000
/** Of one whose calls are not answered. */
const HURRIED_MS = 1_000
const WARM = { timeout: 60_000, interval: 50 }

interface ServiceUnderTest {
  readonly server: Misbehaving
  /** Each time a connector to the same keys. */
  connect(timeoutMs: number): Promise<KmsConnector>
}

/** What every connector makes of a service that misbehaves: KMS_UNAVAILABLE, in time. */
export function misbehavingService(open: () => Promise<ServiceUnderTest>): void {
  describe('says KMS_UNAVAILABLE, and in time, of a service that', () => {
    it.each(MISBEHAVIOURS)('%s', async (_what, answer) => {
      const { connect, server } = await open()
      await (await connect(PATIENT_MS)).createKey('k1')
      const connector = await connect(HURRIED_MS)
      // Until then it may be in too much of a hurry for a busy machine.
      const { wrapped } = await vi.waitFor(() => connector.generateDataKey('k1', { a: 'b' }), WARM)
      server.misbehave = () => answer
      try {
        const startedAt = Date.now()
        for (const use of [
          () => connector.generateDataKey('k1', { a: 'b' }),
          () => connector.decrypt(wrapped, { a: 'b' }),
          () => connector.createKey('k9'),
        ]) {
          await expect(use()).rejects.toMatchObject({ code: 'KMS_UNAVAILABLE' })
        }
        expect(Date.now() - startedAt).toBeLessThan(20_000)
      } finally {
        server.misbehave = undefined
      }
    })
  })
}

/** A key `k1` of two versions is destroyed once its days are over, and not before; what it has wrapped opens no more. */
export async function destroyedInTime(connector: KmsConnector): Promise<void> {
  await connector.createKey('k1')
  await connector.rotateKey('k1')
  const { wrapped } = await connector.generateDataKey('k1', {})
  await connector.scheduleKeyDeletion('k1', 7)
  const early = connector.destroyKey?.('k1')
  await expect(early).rejects.toMatchObject({ code: 'KMS_KEY_NOT_PENDING_DELETION' })
  const clock = vi.spyOn(Date, 'now').mockReturnValue(Date.now() + 8 * 24 * 3600 * 1000)
  expect(await connector.destroyKey?.('k1')).toMatchObject({ state: 'destroyed' })
  clock.mockRestore()
  await expect(connector.decrypt(wrapped, {})).rejects.toMatchObject({ code: 'KMS_KEY_NOT_FOUND' })
}
