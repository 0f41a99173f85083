import { createHmac, hash } from 'node:crypto'
import { insecureExportKeyBytes } from '@coffer/crypto-core'
import { decide, PolicyReader } from '@coffer/policy'
import { canonicalRequest, deriveSigningKey, type SignedAuthentication, verifySignature } from '@coffer/s3-protocol'
import { type FilledUser, fillDirectory } from '@coffer/service-iam/testing/fill-directory'
import { startServices, temporaryDirectory } from '../services/one-process.ts'

/*
 * What a request costs before it may do anything: whose access key it is, its signature, and what all policies of the user and its
 * groups say. Random users, so that nothing is warm but what the process keeps: node test/bench/iam-evaluation.ts
 */

const SIZE = { users: 10_000, groups: 1_000, policies: 5_000 }
const REQUESTS = 50_000
const REGION = 'us-east-1'

const directory = await temporaryDirectory()
const services = await startServices(directory.path)
const { mesh } = services
const iam = mesh.use('iam')
const { accountId } = await iam.ensureRootAccount({ accessKeyId: 'AKBENCHMARK', secretAccessKey: 'secret-of-a-bench' })
const users = await fillDirectory(mesh, accountId, SIZE)
const reader = new PolicyReader()
const date = new Date().toISOString().replaceAll(/[-:]|\.\d{3}/g, '')
const day = date.slice(0, 8)

/** A signed get, as it comes from a client. */
function signedGet({ accessKeyId, secretAccessKey, bucket }: FilledUser) {
  const headers = { host: 'localhost:9000', 'x-amz-date': date, 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' }
  const request = { method: 'GET', rawPath: `/${bucket}/key`, rawQuery: '', headers }
  const signedHeaders = Object.keys(headers).sort()
  const canonical = canonicalRequest(request, signedHeaders, 'UNSIGNED-PAYLOAD', { presigned: false })
  const text = `AWS4-HMAC-SHA256\n${date}\n${day}/${REGION}/s3/aws4_request\n${hash('sha256', canonical)}`
  const key = deriveSigningKey(Buffer.from(secretAccessKey), day, REGION, 's3')
  const authentication: SignedAuthentication = {
    kind: 'header',
    accessKeyId,
    date: day,
    region: REGION,
    service: 's3',
    signedHeaders,
    signature: createHmac('sha256', key).update(text).digest('hex'),
    timestamp: date,
    signedAtMs: Date.now(),
    payload: { kind: 'unsigned' },
    payloadText: 'UNSIGNED-PAYLOAD',
  }
  return { request, authentication, resource: `arn:aws:s3:::${bucket}/key` }
}

/** As the gateway does it. */
async function mayRead({ request, authentication, resource }: ReturnType<typeof signedGet>): Promise<boolean> {
  const { accessKeyId } = authentication
  const scope = { accessKeyId, date: day, region: REGION, service: 's3' }
  const found = await iam.findSigningKey(scope, mesh.recipient())
  if (found === undefined) return false
  const key = mesh.unparcel(found.signingKey, 'signing-key', accessKeyId, day, REGION, 's3')
  verifySignature(request, authentication, insecureExportKeyBytes(key), Date.now())
  let policies = reader.known(found.policiesId)
  if (policies === undefined) {
    const attached = await iam.findPolicies({ accessKeyId })
    policies = attached && reader.read(attached)
  }
  const values = (name: string) => (name === 'aws:sourceip' ? ['127.0.0.1'] : undefined)
  const { principal } = found
  const action = 's3:GetObject'
  return decide({ principal, policies, action, resource, values, resourceAccountId: accountId }).effect === 'allow'
}

const pick = () => users[Math.floor(Math.random() * users.length)] as FilledUser
interface Measured {
  readonly wallMs: number
  /** Of this thread: what other programs on the machine take is not in it. */
  readonly cpuMs: number
}

async function timed(user: FilledUser): Promise<Measured> {
  const signed = signedGet(user)
  const [startedAt, before] = [performance.now(), process.threadCpuUsage()]
  const allowed = await mayRead(signed)
  const cpu = process.threadCpuUsage(before)
  const wallMs = performance.now() - startedAt
  if (!allowed) throw new Error('a user may not read what its policy allows')
  return { wallMs, cpuMs: (cpu.user + cpu.system) / 1000 }
}

function report(title: string, measured: readonly number[]): void {
  const sorted = measured.toSorted((a, b) => a - b)
  const at = (share: number) => ((sorted[Math.floor(sorted.length * share)] ?? 0) * 1000).toFixed(0)
  const mean = (sorted.reduce((sum, time) => sum + time, 0) / sorted.length) * 1000
  console.log(`${title}: mean ${mean.toFixed(1)} us, p50 ${at(0.5)} us, p99 ${at(0.99)} us, p99.9 ${at(0.999)} us`)
}

const first: Measured[] = []
for (const user of users) first.push(await timed(user))
const later: Measured[] = []
for (let count = 0; count < REQUESTS; count++) later.push(await timed(pick()))
console.log(
  `${SIZE.users} users, ${SIZE.groups} groups, ${SIZE.policies} policies; ${REQUESTS} requests of random users`,
)
for (const [title, measured] of [
  ['first request of each user', first],
  ['later requests', later],
] as const) {
  report(
    title,
    measured.map(({ wallMs }) => wallMs),
  )
  // The clock of processors ticks too seldom to tell one request from another.
  const cpuMs = measured.reduce((sum, request) => sum + request.cpuMs, 0) / measured.length
  console.log(`${title}: mean of processor time ${(cpuMs * 1000).toFixed(1)} us`)
}
await services.stop()
await directory.remove()
