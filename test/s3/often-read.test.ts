/**
 * Objects that are read often, whose records and keys each worker keeps opened: whatever another worker commits, and whatever becomes
 * of a key, is seen by the next read as it is of any other object.
 */
import { CreateKeyCommand, DisableKeyCommand, EnableKeyCommand, RotateKeyOnDemandCommand } from '@aws-sdk/client-kms'
import {
  DeleteObjectCommand,
  GetObjectCommand,
  PutBucketEncryptionCommand,
  PutObjectCommand,
  PutObjectTaggingCommand,
} from '@aws-sdk/client-s3'
import { describe, expect, it } from 'vitest'
import { bytesOf, failureOf, newBucket, s3Client } from '../harness/s3.ts'
import { serverForSuite } from '../harness/start-server.ts'
import { kmsClient } from '../kms-api/kms-client.ts'

/** Enough for both workers to have some of the connections. */
const CONNECTIONS = 12
const LOOKS_UNTIL_KEPT = 4
const ROUNDS = 25
const POLL = { timeout: 60_000, interval: 200 }

const server = await serverForSuite({ workers: 2 })
const s3 = s3Client(server)
const readers = Array.from({ length: CONNECTIONS }, () => s3Client(server, { maxSockets: 1 }))

/** Read on each connection: the texts, or the codes of refusals, that there are. */
async function readAll(Bucket: string, Key: string): Promise<readonly string[]> {
  const read = async (reader: (typeof readers)[number]): Promise<string> => {
    const found = reader.send(new GetObjectCommand({ Bucket, Key }))
    return found.then(
      async (object) => `${(await bytesOf(object)).toString()} ${object.TagCount ?? 0}`,
      async () => (await failureOf(found)).code,
    )
  }
  return [...new Set(await Promise.all(readers.map(read)))]
}

async function readOften(Bucket: string, Key: string): Promise<readonly string[]> {
  for (let look = 1; look < LOOKS_UNTIL_KEPT; look++) await readAll(Bucket, Key)
  return readAll(Bucket, Key)
}

describe('an object that is read often', () => {
  it(`is the new one on each connection as soon as it is overwritten, ${ROUNDS} times`, async () => {
    const Bucket = await newBucket(s3)
    for (let round = 0; round < ROUNDS; round++) {
      await s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: `round ${round}` }))
      expect(await readOften(Bucket, 'k')).toEqual([`round ${round} 0`])
    }
  })

  it('is gone on each connection as soon as it is deleted, and there again when it is put again', async () => {
    const Bucket = await newBucket(s3)
    for (let round = 0; round < 5; round++) {
      await s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'the same text' }))
      expect(await readOften(Bucket, 'k')).toEqual(['the same text 0'])
      await s3.send(new DeleteObjectCommand({ Bucket, Key: 'k' }))
      expect(await readAll(Bucket, 'k')).toEqual(['NoSuchKey'])
    }
  })

  it('has its new tags on each connection, with the same bytes', async () => {
    const Bucket = await newBucket(s3)
    await s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'text' }))
    expect(await readOften(Bucket, 'k')).toEqual(['text 0'])
    for (const count of [1, 2, 3]) {
      const TagSet = Array.from({ length: count }, (_, index) => ({ Key: `t${index}`, Value: 'v' }))
      await s3.send(new PutObjectTaggingCommand({ Bucket, Key: 'k', Tagging: { TagSet } }))
      expect(await readOften(Bucket, 'k')).toEqual([`text ${count}`])
    }
  })

  it.each([true, false])(
    'is refused while its master key is disabled, and read after a rotation (bucket key: %s)',
    async (BucketKeyEnabled) => {
      const kms = kmsClient(server)
      const { KeyMetadata } = await kms.send(new CreateKeyCommand({}))
      const KeyId = KeyMetadata?.KeyId ?? ''
      const Bucket = await newBucket(s3)
      const ApplyServerSideEncryptionByDefault = { SSEAlgorithm: 'aws:kms' as const, KMSMasterKeyID: KeyId }
      const Rules = [{ ApplyServerSideEncryptionByDefault, BucketKeyEnabled }]
      await s3.send(new PutBucketEncryptionCommand({ Bucket, ServerSideEncryptionConfiguration: { Rules } }))
      await s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'text' }))
      expect(await readOften(Bucket, 'k')).toEqual(['text 0'])
      await kms.send(new RotateKeyOnDemandCommand({ KeyId }))
      expect(await readOften(Bucket, 'k')).toEqual(['text 0'])
      await kms.send(new DisableKeyCommand({ KeyId }))
      await expect.poll(() => readAll(Bucket, 'k'), POLL).toEqual(['KMS.DisabledException'])
      await kms.send(new EnableKeyCommand({ KeyId }))
      await expect.poll(() => readAll(Bucket, 'k'), POLL).toEqual(['text 0'])
    },
  )
})
