import { MetadataKey, Secret } from '@coffer/crypto-core'
import { expect, it } from 'vitest'
import { openManifest, sealManifest } from './manifest.ts'

const metadataKey = new MetadataKey(Secret.random(32))
const PARTS = [
  { number: 1, sizeBytes: 5, salt: 'one', checksum: 'sum' },
  { number: 3, sizeBytes: 6, salt: 'two' },
]
const sealed = sealManifest(metadataKey, 'bucket', 'key', 'version', PARTS)

it('is what was written', () => {
  expect(openManifest(metadataKey, 'bucket', 'key', 'version', sealed)).toEqual(PARTS)
})

it.each([
  ['bucket', ['other', 'key', 'version']],
  ['object', ['bucket', 'other', 'version']],
  ['version of it', ['bucket', 'key', 'other']],
] as const)('tells of no parts of another %s', (_what, [bucketId, key, versionId]) => {
  const damaged = expect.objectContaining({ code: 'CRYPTO_RECORD_DAMAGED' })
  expect(() => openManifest(metadataKey, bucketId, key, versionId, sealed)).toThrow(damaged)
})
