import { createHash, randomBytes } from 'node:crypto'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { Agent } from 'node:https'
import { join } from 'node:path'
import {
  CreateAliasCommand,
  CreateGrantCommand,
  CreateKeyCommand,
  DecryptCommand,
  DescribeKeyCommand,
  EncryptCommand,
  GenerateDataKeyCommand,
  RevokeGrantCommand,
} from '@aws-sdk/client-kms'
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { coffer } from '../harness/coffer-command.ts'
import { describeWithPrograms } from '../harness/find-program.ts'
import { startGroup } from '../harness/process-group.ts'
import { send, sendSigned } from '../harness/raw-request.ts'
import { bytesOf, type ClientTarget, failureOf, newBucket, s3Client } from '../harness/s3.ts'
import { COFFER, REPOSITORY, temporaryDirectory } from '../harness/start-server.ts'
import { callSts, iam, newKey, policy, sessionIn } from '../iam/query-api.ts'
import { CertificateAuthority } from '../kms/certificate-authority.ts'
import { kmsClient } from '../kms-api/kms-client.ts'
import { scrape } from '../monitoring/scrape.ts'
import { type MeshProcesses, startMesh } from './mesh-processes.ts'
import { captureAll, type NatsCapture, type NatsServer, startNats } from './nats-server.ts'
import { type People, startPeople } from './people.ts'

describeWithPrograms('services as processes over NATS', ['nats-server', 'openssl', 'slapd'], (programs) => {
  const directory = temporaryDirectory('mesh')
  let nats: NatsServer
  let capture: NatsCapture
  let mesh: MeshProcesses
  let one: S3Client
  let two: S3Client
  let secretMadeOverNats = ''
  let userSecretMadeOverNats = ''
  const authority = new CertificateAuthority(programs.openssl)
  let people: People
  const passwordOfDirectory = `of a directory ${randomBytes(16).toString('hex')}`
  let secretOfPerson = ''
  const passwordSetOverNats = `Aa1-${randomBytes(16).toString('hex')}`
  let dataKeyOfClient = Buffer.alloc(0)
  const customerKey = randomBytes(32)
  const customer = {
    SSECustomerAlgorithm: 'AES256',
    SSECustomerKey: customerKey.toString('base64'),
    SSECustomerKeyMD5: createHash('md5').update(customerKey).digest('base64'),
  }
  const material = randomBytes(32)
  const materialFile = join(directory, 'material')
  const plaintext = Buffer.alloc(40_000, `plaintext ${randomBytes(16).toString('hex')} `)
  const metadata = { note: `metadata ${randomBytes(16).toString('hex')}` }

  beforeAll(async () => {
    writeFileSync(materialFile, material.toString('base64'))
    nats = await startNats({ nats: programs['nats-server'], openssl: programs.openssl }, directory)
    capture = await captureAll(nats)
    people = await startPeople(programs.slapd, authority, passwordOfDirectory)
    const ofGateway = { COFFER_CLIENT_CERTIFICATES: 'optional', COFFER_CLIENT_CA_FILE: authority.caFile }
    const of = { iam: { COFFER_IDENTITIES_FILE: people.identitiesFile }, 'gateway 1': ofGateway }
    mesh = await startMesh(nats, directory, {}, { of })
    const [first, second] = mesh.gateways.map((gateway) => s3Client(gateway))
    if (first === undefined || second === undefined) throw new Error('two gateways are needed')
    one = first
    two = second
  })

  afterAll(async () => {
    await people?.dispose()
    authority.dispose()
    capture?.close()
    await mesh?.stop()
    await nats?.group.stop()
    rmSync(directory, { recursive: true, force: true })
  })

  it.each([100, 40_000, 131_073, 3_000_000])(
    'what one gateway stored (%i bytes) the other gives back',
    async (sizeBytes) => {
      const bucket = await newBucket(one)
      for (const [writer, reader] of [
        [one, two],
        [two, one],
      ] as const) {
        const body = randomBytes(sizeBytes)
        const put = await writer.send(
          new PutObjectCommand({ Bucket: bucket, Key: 'k', Body: body, Metadata: metadata }),
        )
        const got = await reader.send(new GetObjectCommand({ Bucket: bucket, Key: 'k' }))
        expect((await bytesOf(got)).equals(body)).toBe(true)
        expect(got.ETag).toBe(put.ETag)
        expect(got.Metadata).toEqual(metadata)
        expect(got.ServerSideEncryption).toBe('AES256')
        const range = await reader.send(new GetObjectCommand({ Bucket: bucket, Key: 'k', Range: 'bytes=10-99' }))
        expect((await bytesOf(range)).equals(body.subarray(10, 100))).toBe(true)
      }
    },
  )

  it('lists, copies, versions and deletes through either gateway', async () => {
    const bucket = await newBucket(two)
    const Status = 'Enabled'
    await one.send(new PutBucketVersioningCommand({ Bucket: bucket, VersioningConfiguration: { Status } }))
    // A gateway may go by the bucket's record for the second of its lease.
    await new Promise((resolve) => setTimeout(resolve, 1_100))
    const keys = Array.from({ length: 30 }, (_, index) => `dir${index % 3}/k${index}`)
    for (const [index, Key] of keys.entries()) {
      await (index % 2 ? one : two).send(new PutObjectCommand({ Bucket: bucket, Key, Body: `body of ${Key}` }))
    }
    for (const client of [one, two]) {
      const list = await client.send(new ListObjectsV2Command({ Bucket: bucket }))
      expect(list.Contents?.map(({ Key }) => Key)).toEqual([...keys].sort())
      const rolled = await client.send(new ListObjectsV2Command({ Bucket: bucket, Delimiter: '/' }))
      expect(rolled.CommonPrefixes?.map(({ Prefix }) => Prefix)).toEqual(['dir0/', 'dir1/', 'dir2/'])
    }
    await two.send(new CopyObjectCommand({ Bucket: bucket, Key: 'copy', CopySource: `${bucket}/${keys[0]}` }))
    const copy = await one.send(new GetObjectCommand({ Bucket: bucket, Key: 'copy' }))
    expect((await bytesOf(copy)).toString()).toBe(`body of ${keys[0]}`)
    const Objects = keys.map((Key) => ({ Key }))
    await one.send(new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects } }))
    const versions = await two.send(new ListObjectVersionsCommand({ Bucket: bucket }))
    expect(versions.DeleteMarkers).toHaveLength(30)
    expect(versions.Versions).toHaveLength(31)
  })

  it('each process tells the numbers of what it does', async () => {
    const numbersOf = (name: string) => scrape(mesh.healthAddresses.get(name) ?? '')
    const gateway = await numbersOf('gateway 1')
    expect(gateway.value('coffer_requests_total', { operation: 'PutObject', status: '2xx' })).toBeGreaterThan(0)
    expect(gateway.value('coffer_mesh_calls_total', { service: 'metadata', outcome: 'ok' })).toBeGreaterThan(0)
    expect(gateway.value('coffer_mesh_call_seconds_count', { service: 'metadata' })).toBeGreaterThan(0)
    expect((await numbersOf('metadata')).value('coffer_metadata_commits_total')).toBeGreaterThan(0)
    expect((await numbersOf('kms')).value('coffer_kms_calls_total', { connector: 'local' })).toBeGreaterThan(0)
    await expect.poll(async () => (await numbersOf('rotation')).value('coffer_store_buckets')).toBeGreaterThan(0)
  })

  it('a small get takes at most two calls, a small put at most three', async () => {
    const bucket = await newBucket(one)
    const where = { Bucket: bucket, Key: 'k' }
    const put = () => one.send(new PutObjectCommand({ ...where, Body: 'small' }))
    const get = async () => void (await bytesOf(await one.send(new GetObjectCommand(where))))
    const calls = async () =>
      (await scrape(mesh.healthAddresses.get('gateway 1') ?? '')).value('coffer_mesh_calls_total')
    // Now and then a second is over in which the gateway may go by what it knows: the least counts.
    const leastOf = async (request: () => Promise<unknown>) => {
      const counts: number[] = []
      for (let tries = 0; tries < 15; tries++) {
        await request()
        const before = await calls()
        await request()
        counts.push((await calls()) - before)
      }
      return Math.min(...counts)
    }
    const [ofPut, ofGet] = [await leastOf(put), await leastOf(get)]
    expect(ofPut).toBeGreaterThan(0)
    expect(ofPut).toBeLessThanOrEqual(3)
    expect(ofGet).toBeGreaterThan(0)
    expect(ofGet).toBeLessThanOrEqual(2)
  })

  it('lists a page that is larger than what NATS takes as one message', async () => {
    const bucket = await newBucket(one)
    const keys = Array.from({ length: 1_000 }, (_, index) => `${String(index).padStart(4, '0')}${'n'.repeat(1_020)}`)
    const left = [...keys]
    const writer = async (client: S3Client): Promise<void> => {
      for (let Key = left.pop(); Key !== undefined; Key = left.pop()) {
        await client.send(new PutObjectCommand({ Bucket: bucket, Key, Body: 'x' }))
      }
    }
    await Promise.all([one, two, one, two, one, two, one, two].map(writer))
    const page = await two.send(new ListObjectsV2Command({ Bucket: bucket }))
    expect(page.IsTruncated).toBe(false)
    expect(page.Contents?.map(({ Key }) => Key)).toEqual(keys)
  })

  it('joins parts that came through different gateways', async () => {
    const bucket = await newBucket(one)
    const { UploadId } = await one.send(new CreateMultipartUploadCommand({ Bucket: bucket, Key: 'k' }))
    const upload = { Bucket: bucket, Key: 'k', UploadId }
    const [head, tail] = [randomBytes(5 * 1024 * 1024), randomBytes(50_000)]
    const first = await two.send(new UploadPartCommand({ ...upload, PartNumber: 1, Body: head }))
    const second = await one.send(new UploadPartCommand({ ...upload, PartNumber: 2, Body: tail }))
    const Parts = [
      { PartNumber: 1, ETag: first.ETag, ChecksumCRC32: first.ChecksumCRC32 },
      { PartNumber: 2, ETag: second.ETag, ChecksumCRC32: second.ChecksumCRC32 },
    ]
    await two.send(new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts } }))
    const got = await one.send(new GetObjectCommand({ Bucket: bucket, Key: 'k' }))
    expect((await bytesOf(got)).equals(Buffer.concat([head, tail]))).toBe(true)
  })

  it('keeps customer keys and errors as one server does', async () => {
    const bucket = await newBucket(one)
    await one.send(new PutObjectCommand({ Bucket: bucket, Key: 'customer', Body: plaintext, ...customer }))
    const got = await two.send(new GetObjectCommand({ Bucket: bucket, Key: 'customer', ...customer }))
    expect((await bytesOf(got)).equals(plaintext)).toBe(true)
    const none = two.send(new GetObjectCommand({ Bucket: bucket, Key: 'customer' }))
    expect(await failureOf(none)).toEqual({ code: 'InvalidRequest', status: 400 })
    expect(await failureOf(two.send(new GetObjectCommand({ Bucket: bucket, Key: 'absent' })))).toEqual({
      code: 'NoSuchKey',
      status: 404,
    })
    const ifNone = { Bucket: bucket, Key: 'customer', Body: 'x', IfNoneMatch: '*' }
    expect(await failureOf(two.send(new PutObjectCommand(ifNone)))).toEqual({
      code: 'PreconditionFailed',
      status: 412,
    })
  })

  it('offers the KMS API through either gateway, with a plaintext that no other process sees', async () => {
    const [first, second] = mesh.gateways.map((gateway) => kmsClient(gateway))
    const made = await first?.send(new CreateKeyCommand({ Description: 'over NATS' }))
    const AliasName = 'alias/over-nats'
    await first?.send(new CreateAliasCommand({ AliasName, TargetKeyId: made?.KeyMetadata?.KeyId }))
    const Plaintext = plaintext.subarray(0, 100)
    const EncryptionContext = { 1: 'number-like names', tenant: 'a' }
    const sealed = await second?.send(new EncryptCommand({ KeyId: AliasName, Plaintext, EncryptionContext }))
    const CiphertextBlob = sealed?.CiphertextBlob
    const opened = await first?.send(new DecryptCommand({ CiphertextBlob, EncryptionContext }))
    expect(Buffer.from(opened?.Plaintext ?? []).equals(Plaintext)).toBe(true)
    const dataKey = await first?.send(new GenerateDataKeyCommand({ KeyId: AliasName, KeySpec: 'AES_256' }))
    dataKeyOfClient = Buffer.from(dataKey?.Plaintext ?? [])
    const stored = await two.send(
      new PutObjectCommand({
        Bucket: await newBucket(one),
        Key: 'k',
        Body: 'x',
        ServerSideEncryption: 'aws:kms',
        SSEKMSKeyId: AliasName,
      }),
    )
    expect(stored.SSEKMSKeyId).toBe(`local/${made?.KeyMetadata?.KeyId}`)
  })

  it('a grant made at one gateway counts at the other, until it is revoked', async () => {
    const [first, second] = mesh.gateways as [ClientTarget, ClientTarget]
    await iam(first, 'CreateUser', { UserName: 'grantee' })
    const keys = await newKey(first, 'grantee')
    const [owner, grantee] = [kmsClient(first), kmsClient({ ...second, ...keys })]
    const { KeyMetadata: { KeyId, AWSAccountId } = {} } = await owner.send(new CreateKeyCommand({}))
    const GranteePrincipal = `arn:aws:iam::${AWSAccountId}:user/grantee`
    const grant = new CreateGrantCommand({ KeyId, GranteePrincipal, Operations: ['DescribeKey'] })
    const { GrantId } = await owner.send(grant)
    const ask = () =>
      grantee.send(new DescribeKeyCommand({ KeyId })).then(
        () => 'done',
        (error: Error) => error.name,
      )
    await expect.poll(ask, { timeout: 60_000, interval: 50 }).toBe('done')
    await owner.send(new RevokeGrantCommand({ KeyId, GrantId }))
    await expect.poll(ask, { timeout: 60_000, interval: 50 }).toBe('AccessDeniedException')
  })

  // How soon: mesh-identities.test.ts.
  it('identities are made at one gateway and known at the other, revoked ones too', async () => {
    const [first, second] = mesh.gateways as [ClientTarget, ClientTarget]
    await iam(first, 'CreateUser', { UserName: 'meshed' })
    await iam(first, 'CreateLoginProfile', { UserName: 'meshed', Password: passwordSetOverNats })
    const listing = policy({ Effect: 'Allow', Action: 's3:ListAllMyBuckets', Resource: '*' })
    await iam(second, 'PutUserPolicy', { UserName: 'meshed', PolicyName: 'list', PolicyDocument: listing })
    const keys = await newKey(first, 'meshed')
    userSecretMadeOverNats = keys.secretAccessKey
    const ask = async () => (await sendSigned(second, { method: 'GET', path: '/' }, { keys })).status
    const within = { timeout: 60_000, interval: 20 }
    await expect.poll(ask, within).toBe(200)
    await iam(first, 'DeleteAccessKey', { UserName: 'meshed', AccessKeyId: keys.accessKeyId })
    await expect.poll(ask, within).toBe(403)
  })

  it('people of a directory and client certificates become roles', async () => {
    const [first, second] = mesh.gateways as [ClientTarget, ClientTarget]
    const actions = ['sts:AssumeRoleWithLDAPIdentity', 'sts:AssumeRoleWithCertificate']
    const Principal = { Federated: ['ldap.coffer', 'certificate.coffer'] }
    const AssumeRolePolicyDocument = policy({ Effect: 'Allow', Principal, Action: actions })
    const made = await iam(first, 'CreateRole', { RoleName: 'proven', AssumeRolePolicyDocument })
    const RoleArn = made.text('Arn')
    const login = (LDAPPassword: string, at: ClientTarget) =>
      callSts(at, 'AssumeRoleWithLDAPIdentity', { LDAPUsername: 'alice', LDAPPassword, RoleArn }, 'none')
    const keys = sessionIn(await login(passwordOfDirectory, second))
    secretOfPerson = keys.secretAccessKey
    expect((await callSts(first, 'GetCallerIdentity', {}, keys)).text('Arn')).toContain('assumed-role/proven/alice')
    expect(await login('guessed', second)).toMatchObject({ status: 403, code: 'AccessDenied' })
    const { certFile, keyFile } = authority.issue('agent', 'clientAuth')
    const pair = { cert: readFileSync(certFile), key: readFileSync(keyFile) }
    const agent = new Agent({ ca: readFileSync(first.caFile), ...pair })
    const query = new URLSearchParams({ Action: 'AssumeRoleWithCertificate', Version: '2011-06-15', RoleArn })
    const answer = await send(first, { method: 'POST', path: `/?${query}`, agent })
    agent.destroy()
    expect(answer.body.toString()).toContain('assumed-role/proven/agent')
  })

  it('goes on when a gateway is killed, and commands reach the services over NATS', async () => {
    const bucket = await newBucket(two)
    await mesh.groups.get('gateway 1')?.kill('SIGKILL')
    await two.send(new PutObjectCommand({ Bucket: bucket, Key: 'k', Body: plaintext, Metadata: metadata }))
    const got = await two.send(new GetObjectCommand({ Bucket: bucket, Key: 'k' }))
    expect((await bytesOf(got)).equals(plaintext)).toBe(true)
    const { code, stdout, stderr } = await coffer(['account', 'create', 'over-nats', '--json'], mesh.env)
    expect(code, stderr).toBe(0)
    const { account, accessKey } = JSON.parse(stdout)
    expect(account.name).toBe('over-nats')
    secretMadeOverNats = accessKey.secretAccessKey
    const hers = s3Client({ ...(mesh.gateways[1] as ClientTarget), ...accessKey })
    await newBucket(hers)
    expect((await coffer(['account', 'quota', 'set', 'over-nats', '--keys', '1'], mesh.env)).code).toBe(0)
    const keyOfAccount = (name: string) => coffer(['key', 'create', name, '--account', 'over-nats'], mesh.env)
    expect((await keyOfAccount('its-first')).code).toBe(0)
    expect((await keyOfAccount('its-second')).stderr).toContain('KMS_QUOTA_EXCEEDED')
    const importing = await coffer(['key', 'import', 'from-outside', '--file', materialFile, '--json'], mesh.env)
    expect(JSON.parse(importing.stdout), importing.stderr).toMatchObject({ keyId: 'from-outside', currentVersion: 1 })
    const asked = ['--action', 's3:GetObject', '--resource', `arn:aws:s3:::${bucket}/k`]
    const explained = await coffer(['iam', 'explain', '--user', 'meshed', ...asked, '--json'], mesh.env)
    const verdict = { effect: 'deny', reason: 'no-identity-policy', resourcePolicy: 'none' }
    expect(JSON.parse(explained.stdout), explained.stderr).toMatchObject(verdict)
    const scrub = await coffer(['scrub', '--json'], mesh.env)
    expect(scrub.code, scrub.stderr).toBe(0)
    expect(JSON.parse(scrub.stdout)).toMatchObject({ damaged: [] })
  })

  it('has its root key replaced while it serves', async () => {
    const bucket = await newBucket(two)
    const rootKeyFile = join(mesh.env.COFFER_DATA_DIR ?? '', 'secrets', 'root.key')
    const before = readFileSync(rootKeyFile, 'utf8')
    const rotated = await coffer(['root-key', 'rotate', '--json'], mesh.env)
    expect(rotated.code, rotated.stderr).toBe(0)
    expect(readFileSync(rootKeyFile, 'utf8')).not.toBe(before)
    expect((await coffer(['key', 'create', 'made-after'], mesh.env)).code).toBe(0)
    const kms = { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: 'made-after' } as const
    await two.send(new PutObjectCommand({ Bucket: bucket, Key: 'k', Body: plaintext, ...kms }))
  })

  it('shows NATS no key, no plaintext and no secret', async () => {
    const traffic = capture.bytes()
    expect(traffic.length).toBeGreaterThan(10_000)
    expect(traffic.includes('commitVersion')).toBe(true)
    const rootKey = readFileSync(join(mesh.env.COFFER_DATA_DIR ?? '', 'secrets', 'root.key'), 'utf8').trim()
    const secrets: Record<string, Buffer> = {
      plaintext: plaintext.subarray(0, 40),
      'user metadata': Buffer.from(metadata.note),
      'root secret': Buffer.from(mesh.gateways[0]?.secretAccessKey ?? ''),
      'secret made over NATS': Buffer.from(secretMadeOverNats),
      'secret of a user': Buffer.from(userSecretMadeOverNats),
      'password of a user': Buffer.from(passwordSetOverNats),
      'password of a directory': Buffer.from(passwordOfDirectory),
      'secret of a person of a directory': Buffer.from(secretOfPerson),
      'customer key': customerKey,
      'data key of the KMS API': dataKeyOfClient,
      'customer key as text': Buffer.from(customer.SSECustomerKey),
      'mesh key as text': Buffer.from(mesh.meshKey),
      'mesh key': Buffer.from(mesh.meshKey, 'base64'),
      'imported key': material,
      'imported key as text': Buffer.from(material.toString('base64')),
      'root key as text': Buffer.from(rootKey),
      'root key': Buffer.from(rootKey, 'base64'),
      'ETag of the plaintext': createHash('md5').update(plaintext).digest(),
      'ETag as text': Buffer.from(createHash('md5').update(plaintext).digest('hex')),
    }
    const found = Object.entries(secrets).filter(([, secret]) => secret.length < 16 || traffic.includes(secret))
    expect(found.map(([name]) => name)).toEqual([])
    for (const secret of [mesh.gateways[0]?.secretAccessKey ?? '', nats.password, mesh.meshKey]) {
      expect(mesh.logs()).not.toContain(secret)
    }
  })

  it('a service without the mesh key, with another NATS password or a name that NATS does not know, does not start', async () => {
    const { COFFER_MESH_KEY_FILE: _key, ...withoutKey } = mesh.env
    const noKey = await coffer(['service', 'crypto'], withoutKey)
    expect(noKey.code).toBeGreaterThan(0)
    expect(noKey.stderr).toMatch(/COFFER_MESH_KEY|MESH_KEY/)
    for (const wrong of [{ COFFER_NATS_PASSWORD_FILE: nats.caFile }, { COFFER_NATS_USER: 'stranger' }]) {
      const env = { ...mesh.env, ...wrong }
      const refused = startGroup(process.execPath, [COFFER, 'service', 'crypto'], { env, cwd: REPOSITORY })
      await expect.poll(() => refused.logs(), { timeout: 60_000 }).toMatch(/authori[sz]ation|authenticat/i)
      expect(refused.logs()).not.toMatch(/is ready/)
      await refused.kill('SIGKILL')
    }
  })
})
