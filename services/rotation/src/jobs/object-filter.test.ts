import type { Mesh } from '@coffer/mesh'
import type { VersionRecord } from '@coffer/metadata-store'
import type { ObjectAttributes } from '@coffer/object-record'
import { describe, expect, it } from 'vitest'
import { parseJobRequest } from './job-requests.ts'
import { ObjectFilter } from './object-filter.ts'

const AT = 1_000_000
/** Of a mesh the filter asks for nothing but where a key is. */
const mesh = { use: () => ({ describeKey: async (name: string) => ({ connector: 'local', keyId: name }) }) }
const attributes = {
  algorithm: 'AES-256-GCM',
  objectKeyAt: AT - 50,
  headers: { standard: {}, user: {}, tags: { class: 'secret', team: 'blue' } },
} as unknown as ObjectAttributes
const version = { keyRef: 'kms:local/payments/3', lastModifiedAt: AT - 100 } as VersionRecord
const listed = { lastModifiedAt: AT - 100, sizeBytes: 4096 } as Parameters<ObjectFilter['fitsListed']>[0]

async function fits(filter: object): Promise<boolean> {
  const { filter: parsed = {} } = parseJobRequest('reseal', { filter })
  const one = new ObjectFilter(mesh as unknown as Mesh, parsed, AT)
  return one.fitsListed(listed) && (await one.fits(version, attributes))
}

describe('a filter of a job', () => {
  it.each([
    ['age', { minAgeMs: 100 }, { minAgeMs: 101 }],
    ['youth', { maxAgeMs: 100 }, { maxAgeMs: 99 }],
    ['age of the object key', { minKeyAgeMs: 50 }, { minKeyAgeMs: 51 }],
    ['size', { minSizeBytes: 4096 }, { minSizeBytes: 4097 }],
    ['greatest size', { maxSizeBytes: 4096 }, { maxSizeBytes: 4095 }],
    ['cipher', { algorithm: 'AES-256-GCM' }, { algorithm: 'CHACHA20-POLY1305' }],
    ['master key', { keyName: 'payments' }, { keyName: 'other' }],
    ['version of the master key', { keyName: 'payments', keyVersion: 3 }, { keyName: 'payments', keyVersion: 2 }],
    ['tag', { tags: { class: 'secret' } }, { tags: { class: 'public' } }],
    ['several tags', { tags: { class: 'secret', team: 'blue' } }, { tags: { class: 'secret', toString: '' } }],
  ])('takes what fits by %s, and nothing else', async (_, taken, left) => {
    expect(await fits(taken)).toBe(true)
    expect(await fits(left)).toBe(false)
    expect(await fits({ ...taken, minSizeBytes: 5000 })).toBe(false)
  })

  it('refuses more tags than an object can have, and empty ones', () => {
    const tags = Object.fromEntries(Array.from({ length: 11 }, (_, index) => [`k${index}`, '']))
    for (const wrong of [{ tags }, { tags: { '': 'x' } }, { tags: { k: 'x'.repeat(257) } }, { unknown: 1 }]) {
      expect(() => parseJobRequest('reseal', { filter: wrong })).toThrow(
        expect.objectContaining({ code: 'ROTATION_REQUEST_INVALID' }),
      )
    }
  })
})
