// `helm test`: through the Service, with the root account's key, a bucket of its own is made, an object goes in and comes out, and both are removed.
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Agent } from 'node:https'
import * as S3 from '@aws-sdk/client-s3'

// The certificate is for the name that clients use, which this is not: who signed it is checked, the name is not.
const httpsAgent = new Agent({
  ca: readFileSync('/run/coffer/gateway-ca/ca.crt'),
  checkServerIdentity: () => undefined,
})
const credentials = {
  accessKeyId: process.env.COFFER_ROOT_ACCESS_KEY_ID,
  secretAccessKey: process.env.COFFER_ROOT_SECRET_ACCESS_KEY,
}
const region = process.env.COFFER_REGION ?? 'us-east-1'
const client = new S3.S3Client({
  endpoint: 'https://s3',
  region,
  forcePathStyle: true,
  credentials,
  requestHandler: { httpsAgent },
})
const Bucket = `helm-test-${randomBytes(8).toString('hex')}`
// Larger than what is kept beside the metadata: it goes to where object data is.
const body = randomBytes(1024 * 1024)

await client.send(new S3.CreateBucketCommand({ Bucket }))
try {
  const { ServerSideEncryption } = await client.send(new S3.PutObjectCommand({ Bucket, Key: 'object', Body: body }))
  const { Body } = await client.send(new S3.GetObjectCommand({ Bucket, Key: 'object' }))
  const isSame = body.equals(await Body.transformToByteArray())
  if (!isSame) throw new Error('the object came back changed')
  console.log(`an object went in and came out, encrypted at rest (${ServerSideEncryption})`)
} finally {
  await client.send(new S3.DeleteObjectCommand({ Bucket, Key: 'object' }))
  await client.send(new S3.DeleteBucketCommand({ Bucket }))
}
