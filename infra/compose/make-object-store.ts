/**
 * In the container `object-store-setup`: gives the mesh a bucket at the object store of compose.yaml and an access key that may do there
 * what docs/s3-back-end.md says and nothing else, and writes both as a blobs file. Run again, it keeps a key that works.
 *
 *   node make-object-store.ts <endpoint> <file of root credentials> <folder for blobs.yaml> <CA of the endpoint's certificate>
 *
 * Needs only Node itself, which is to be given the CA in NODE_EXTRA_CA_CERTS too.
 */
import { createHash, createHmac } from 'node:crypto'
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const REGION = 'us-east-1'
const BUCKET = 'mesh'
const USER = 'mesh'
const IAM_VERSION = '2010-05-08'

interface Keys {
  readonly id: string
  readonly secret: string
}

interface Answer {
  readonly status: number
  readonly text: string
}

const [endpoint = '', credentialsFile = '', folder = '', caFile = ''] = process.argv.slice(2)
const blobsFile = join(folder, 'blobs.yaml')
const secretFile = join(folder, 'secret-access-key')
const root = rootKeys()

await wanted(await call(root, 's3', 'PUT', `/${BUCKET}`, ''), ['BucketAlreadyOwnedByYou'])
await iam({ Action: 'CreateUser', UserName: USER }, ['EntityAlreadyExists'])
await iam({ Action: 'PutUserPolicy', UserName: USER, PolicyName: 'blobs', PolicyDocument: policy() })
if (await keptKeyWorks()) {
  console.error('the bucket and the access key are there')
} else {
  // A user has at most two: those of earlier times, whose secrets are lost, go.
  const { text } = await iam({ Action: 'ListAccessKeys', UserName: USER })
  for (const [, id = ''] of text.matchAll(/<AccessKeyId>([^<]+)</g)) {
    await iam({ Action: 'DeleteAccessKey', UserName: USER, AccessKeyId: id })
  }
  const made = await iam({ Action: 'CreateAccessKey', UserName: USER })
  write(secretFile, `${element(made.text, 'SecretAccessKey')}\n`)
  write(blobsFile, blobs(element(made.text, 'AccessKeyId')))
  console.error('made a bucket and an access key')
}

function rootKeys(): Keys {
  const values = new Map(
    readFileSync(credentialsFile, 'utf8')
      .split('\n')
      .map((line) => line.split('=', 2) as [string, string]),
  )
  const [id, secret] = ['COFFER_ROOT_ACCESS_KEY_ID', 'COFFER_ROOT_SECRET_ACCESS_KEY'].map((name) => values.get(name))
  if (!id || !secret) throw new Error(`${credentialsFile} has no root access key`)
  return { id, secret }
}

function policy(): string {
  const bucket = `arn:aws:s3:::${BUCKET}`
  return JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Action: ['s3:GetObject', 's3:PutObject', 's3:DeleteObject', 's3:AbortMultipartUpload'],
        Resource: `${bucket}/*`,
      },
      { Effect: 'Allow', Action: ['s3:ListBucket', 's3:ListBucketMultipartUploads'], Resource: bucket },
    ],
  })
}

/** JSON, which is YAML. Paths are relative to the file, but for the CA, which each container has as a secret. */
function blobs(accessKeyId: string): string {
  const settings = { type: 's3', endpoint, region: REGION, bucket: BUCKET, accessKeyId }
  const more = { secretAccessKeyFile: './secret-access-key', caFile, forcePathStyle: true }
  return `${JSON.stringify({ ...settings, ...more }, null, 2)}\n`
}

async function keptKeyWorks(): Promise<boolean> {
  if (!existsSync(blobsFile) || !existsSync(secretFile)) return false
  const { accessKeyId } = JSON.parse(readFileSync(blobsFile, 'utf8')) as { accessKeyId: string }
  const keys = { id: accessKeyId, secret: readFileSync(secretFile, 'utf8').trim() }
  const answer = await call(keys, 's3', 'GET', `/${BUCKET}`, '')
  if (answer.status === 403) return false
  await wanted(answer)
  return true
}

function write(path: string, text: string): void {
  writeFileSync(`${path}.new`, text, { mode: 0o600 })
  renameSync(`${path}.new`, path)
}

async function iam(parameters: Record<string, string>, alsoFine: readonly string[] = []): Promise<Answer> {
  const body = new URLSearchParams({ ...parameters, Version: IAM_VERSION }).toString()
  return await wanted(await call(root, 'iam', 'POST', '/', body), alsoFine)
}

async function wanted(answer: Answer, alsoFine: readonly string[] = []): Promise<Answer> {
  const isFine = answer.status < 300 || alsoFine.includes(element(answer.text, 'Code'))
  if (!isFine) throw new Error(`${endpoint} answered ${answer.status}: ${answer.text}`)
  return answer
}

function element(xml: string, name: string): string {
  return new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1] ?? ''
}

/** Signed with SigV4 (AWS, "Signature Version 4 for API requests"), without a query. */
async function call(keys: Keys, service: 's3' | 'iam', method: string, path: string, body: string): Promise<Answer> {
  const { host } = new URL(endpoint)
  const time = new Date().toISOString().replace(/[-:]|\.\d+/g, '')
  const scope = `${time.slice(0, 8)}/${REGION}/${service}/aws4_request`
  const headers = {
    'content-type': 'application/x-www-form-urlencoded',
    host,
    'x-amz-content-sha256': sha256(body),
    'x-amz-date': time,
  }
  const signed = Object.keys(headers).join(';')
  const lines = Object.entries(headers).map(([name, value]) => `${name}:${value}\n`)
  const request = [method, path, '', lines.join(''), signed, sha256(body)].join('\n')
  const key = scope.split('/').reduce<string | Buffer>((key, part) => hmac(key, part), `AWS4${keys.secret}`)
  const signature = hmac(key, ['AWS4-HMAC-SHA256', time, scope, sha256(request)].join('\n')).toString('hex')
  const authorization = `AWS4-HMAC-SHA256 Credential=${keys.id}/${scope}, SignedHeaders=${signed}, Signature=${signature}`
  const response = await fetch(`${endpoint}${path}`, {
    method,
    headers: { ...headers, authorization },
    ...(body && { body }),
  })
  return { status: response.status, text: await response.text() }
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}
