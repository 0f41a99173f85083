/**
 * A lifecycle pass over a bucket of a million objects, of which few are due: how fast it walks, and what it reads beside listing.
 * `node test/bench/lifecycle-walk.ts [objects]`. Fails under 50,000 objects/s, or if it touched what was not due.
 */
import { PutBucketLifecycleConfigurationCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { newBucket } from '../harness/s3.ts'
import { startLifecycleGateway } from '../services/lifecycle-gateway.ts'
import { inLanes, nullVersion } from './metadata-versions.ts'

const WRITERS = 1_000
const DUE = 100
const OBJECTS_PER_SECOND_MIN = 50_000
const SMALL = Buffer.alloc(16)
const objects = Number(process.argv[2] ?? 1_000_000)

const gateway = await startLifecycleGateway()
try {
  const { s3, services } = gateway
  const bucket = await newBucket(s3)
  const Rules = [
    { ID: 'r', Status: 'Enabled' as const, Filter: { ObjectSizeGreaterThan: 100 }, Expiration: { Days: 1 } },
  ]
  await s3.send(new PutBucketLifecycleConfigurationCommand({ Bucket: bucket, LifecycleConfiguration: { Rules } }))
  const record = await services.store.findBucket(bucket)
  if (record === undefined) throw new Error('the bucket is gone')
  const ofBucket = (index: number) => {
    const commit = nullVersion(record.id, `all/${String(index).padStart(9, '0')}`, SMALL)
    return { ...commit, bucketRevision: record.revision }
  }
  await inLanes(objects, WRITERS, (index) => services.store.commitVersion(ofBucket(index)))
  for (let index = 0; index < DUE; index++) {
    const Key = `all/${String(Math.floor((index * objects) / DUE)).padStart(9, '0')}-due`
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key, Body: 'x'.repeat(200) }))
  }
  let looks = 0
  const findVersion = services.store.findVersion.bind(services.store)
  services.store.findVersion = (...args) => {
    looks++
    return findVersion(...args)
  }
  const startedAt = performance.now()
  const counts = await gateway.applyAfter(3)
  const seconds = (performance.now() - startedAt) / 1000
  const perSecond = (objects + DUE) / seconds
  console.log(`${objects + DUE} objects in ${seconds.toFixed(1)} s: ${Math.round(perSecond)} objects/s`)
  console.log(`${counts.expired} expired; ${looks} records looked at beside the listing`)
  if (perSecond < OBJECTS_PER_SECOND_MIN || counts.expired !== DUE || looks !== DUE) process.exitCode = 1
} finally {
  await gateway.stop()
}
