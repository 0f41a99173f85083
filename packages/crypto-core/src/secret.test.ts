import { randomBytes } from 'node:crypto'
import { format, inspect } from 'node:util'
import { deserialize, serialize } from 'node:v8'
import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads'
import { CofferError, isCofferError } from '@coffer/errors'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { insecureExportKeyBytes } from './insecure-export.ts'
import { Secret } from './secret.ts'

/** Every way that bytes could look in text. */
function traces(bytes: Uint8Array): string[] {
  const buffer = Buffer.from(bytes)
  const listed = [...bytes]
  const encodings = (['hex', 'base64', 'base64url', 'latin1'] as const).map((name) => buffer.toString(name))
  return [...encodings, listed.join(','), listed.join(', '), inspect(buffer).slice(8, 40)]
}

function expectNoTrace(shown: string, bytes: Uint8Array): void {
  for (const trace of traces(bytes)) expect(shown.toLowerCase()).not.toContain(trace.toLowerCase())
}

describe('a secret does not show', () => {
  const bytes = randomBytes(32)
  const secret = Secret.copyOf(bytes)
  const holder = { name: 'bucket key', secret, list: [secret], map: new Map([['key', secret]]) }

  it.each([
    ['String()', () => String(secret)],
    ['a template', () => `${secret}`],
    ['an array joined', () => ['key: ', secret].join('')],
    ['JSON', () => JSON.stringify(holder)],
    ['inspect', () => inspect(holder, { depth: 9 })],
    [
      'inspect with everything on',
      () => inspect(secret, { showHidden: true, depth: 9, showProxy: true, getters: true }),
    ],
    [
      'inspect without custom inspection',
      () => inspect(secret, { showHidden: true, customInspect: false, getters: true }),
    ],
    ['format', () => format('%s %o %O %j %d', secret, secret, secret, secret, secret)],
    ['its own properties', () => Reflect.ownKeys(secret).map(String).join() + JSON.stringify(Object.entries(secret))],
    ['a copy by spread', () => inspect({ ...secret }, { showHidden: true })],
    ['an error with it in the message', () => inspect(new Error(`failed with ${secret}`))],
    ['an error with it as the cause', () => inspect(new CofferError({ code: 'X', message: 'x' }, { cause: secret }))],
  ])('in %s', (_, show) => {
    const shown = show()
    expect(shown.length).toBeGreaterThan(0)
    expectNoTrace(shown, bytes)
  })

  it('and says so where it is printed', () => {
    expect([String(secret), `${secret}`, inspect(secret), JSON.parse(JSON.stringify(secret))]).toEqual(
      Array(4).fill('[secret]'),
    )
  })

  it('in a structured clone', () => {
    expect(structuredClone(secret)).toEqual({})
    expectNoTrace(inspect(structuredClone(holder), { showHidden: true, depth: 9 }), bytes)
  })

  it('in a message to another thread', () => {
    const { port1, port2 } = new MessageChannel()
    port1.postMessage(holder)
    expectNoTrace(inspect(receiveMessageOnPort(port2), { showHidden: true, depth: 9 }), bytes)
    port1.close()
  })

  it("in the engine's serialisation", () => {
    const serialized = serialize(holder)
    expect(serialized.includes(bytes)).toBe(false)
    expectNoTrace(inspect(deserialize(serialized), { depth: 9 }), bytes)
  })

  it('in the error that follows its wiping', () => {
    const wiped = Secret.copyOf(bytes)
    wiped.wipe()
    try {
      insecureExportKeyBytes(wiped)
      expect.unreachable()
    } catch (error) {
      expectNoTrace(inspect(error, { showHidden: true }), bytes)
    }
  })
})

describe('a secret', () => {
  it('equals another of the same bytes, and no other', () => {
    const bytes = fc.uint8Array({ maxLength: 64 })
    fc.assert(
      fc.property(bytes, bytes, (first, second) => {
        expect(Secret.copyOf(first).equals(Secret.copyOf(first))).toBe(true)
        expect(Secret.copyOf(first).equals(Secret.copyOf(second))).toBe(Buffer.compare(first, second) === 0)
      }),
    )
  })

  it('owns the bytes that it takes, and only copies those that it copies', () => {
    const [taken, copied] = [Buffer.alloc(32, 7), Buffer.alloc(32, 7)]
    Secret.take(taken).wipe()
    Secret.copyOf(copied).wipe()
    expect([taken.equals(Buffer.alloc(32)), copied.equals(Buffer.alloc(32, 7))]).toEqual([true, true])
  })

  it.each([
    ['its length', (secret: Secret) => secret.lengthBytes],
    ['comparing it', (secret: Secret) => secret.equals(Secret.random(32))],
    ['comparing with it', (secret: Secret) => Secret.random(32).equals(secret)],
    ['exporting it', insecureExportKeyBytes],
  ])('once wiped refuses %s', (_, use) => {
    const secret = Secret.random(32)
    const bytes = insecureExportKeyBytes(secret)
    secret.wipe()
    secret.wipe()
    expect(bytes.every((byte) => byte === 0)).toBe(true)
    expect(() => use(secret)).toThrow(expect.toSatisfy((error) => isCofferError(error, 'CRYPTO_SECRET_WIPED')))
  })

  it('of random bytes is another one each time', () => {
    const seen = new Set(
      Array.from({ length: 200 }, () => Buffer.from(insecureExportKeyBytes(Secret.random(32))).toString('hex')),
    )
    expect(seen.size).toBe(200)
  })
})
