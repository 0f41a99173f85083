import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { CreateKeyCommand, DecryptCommand, EncryptCommand } from '@aws-sdk/client-kms'
import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { coffer } from '../harness/coffer-command.ts'
import { describeUnavailable, describeWithPrograms } from '../harness/find-program.ts'
import { bytesOf, type ClientTarget, newBucket, s3Client } from '../harness/s3.ts'
import { cleanEnvironment } from '../harness/start-server.ts'
import { iam, newKey, policy } from '../iam/query-api.ts'
import { kmsClient } from '../kms-api/kms-client.ts'
import { MESH_PROGRAMS, startWholeMesh, type WholeMesh } from '../mesh/whole-mesh.ts'
import { findFipsProvider, fipsEnvironment, PROVIDER_COMMAND } from './fips-provider.ts'

/** One that keeps keys, one that uses them, and one that has them passed: all begin in the same way. */
const SERVICES = ['kms', 'crypto', 'gateway']

const provider = findFipsProvider()
if (provider === undefined) {
  describeUnavailable('a mesh in FIPS mode', `there is no FIPS provider: ${PROVIDER_COMMAND}`)
} else {
  describeWithPrograms('a mesh in FIPS mode', MESH_PROGRAMS, (programs) => {
    let whole: WholeMesh
    let gateways: [ClientTarget, ClientTarget]
    beforeAll(async () => {
      whole = await startWholeMesh('fips-mesh', programs, async (directory) => {
        const environment = await fipsEnvironment({ openssl: programs.openssl, module: provider }, directory)
        return { ...environment, COFFER_FIPS: 'on', COFFER_AUDIT: 'all' }
      })
      gateways = whole.mesh.gateways as [ClientTarget, ClientTarget]
    })
    afterAll(() => whole?.stop())

    it('keeps what one gateway was given for the other, under its own and under clients’ keys, and signs who did it', async () => {
      const {
        mesh,
        clients: [one, two],
      } = whole
      const bucket = await newBucket(one)
      const customer = { SSECustomerAlgorithm: 'AES256', SSECustomerKey: randomBytes(32).toString('base64') }
      const { KeyMetadata: { KeyId } = {} } = await kmsClient(gateways[0]).send(new CreateKeyCommand({}))
      const underKms = { ServerSideEncryption: 'aws:kms', SSEKMSKeyId: KeyId } as const
      for (const [put, get] of [
        [{}, {}],
        [underKms, {}],
        [customer, customer],
      ]) {
        const Body = randomBytes(200_000)
        await one.send(new PutObjectCommand({ Bucket: bucket, Key: 'k', Body, ...put }))
        const got = await two.send(new GetObjectCommand({ Bucket: bucket, Key: 'k', ...get }))
        expect((await bytesOf(got)).equals(Body)).toBe(true)
      }
      const { CiphertextBlob } = await kmsClient(gateways[1]).send(
        new EncryptCommand({ KeyId, Plaintext: Buffer.from('p') }),
      )
      const opened = await kmsClient(gateways[0]).send(new DecryptCommand({ CiphertextBlob }))
      expect(Buffer.from(opened.Plaintext ?? []).toString()).toBe('p')
      // A user's secret access key, and a password, go to the iam process in parcels.
      await iam(gateways[0], 'CreateUser', { UserName: 'ann' })
      await iam(gateways[1], 'CreateLoginProfile', { UserName: 'ann', Password: 'Right-Password-1' })
      const PolicyDocument = policy({ Effect: 'Allow', Action: 's3:*', Resource: '*' })
      await iam(gateways[0], 'PutUserPolicy', { UserName: 'ann', PolicyName: 'own', PolicyDocument })
      const keys = await newKey(gateways[0], 'ann')
      const hers = s3Client({ ...gateways[1], ...keys })
      const read = () =>
        hers
          .send(new GetObjectCommand({ Bucket: bucket, Key: 'k', ...customer }))
          .then(bytesOf)
          .then(
            (bytes) => bytes.length,
            (error: Error) => error.name,
          )
      await expect.poll(read, { timeout: 60_000, interval: 100 }).toBe(200_000)
      const { code, stdout, stderr } = await coffer(['audit', 'verify', '--json'], mesh.env)
      expect(code, stdout + stderr).toBe(0)
      expect(JSON.parse(stdout).chains).toHaveLength(2)
    })

    it('has no process that only says that it is in this mode', async () => {
      const { mesh, directory } = whole
      // The settings of the mesh without the provider's: whichever service it is, it does not start.
      const { OPENSSL_CONF: _, OPENSSL_MODULES: __, NODE_OPTIONS: ___, ...pretending } = mesh.env
      const refusals = await Promise.all(
        SERVICES.map(async (service) => {
          const env = cleanEnvironment({
            ...pretending,
            COFFER_ADDRESS: '127.0.0.1:0',
            COFFER_DATA_DIR: join(directory, service),
          })
          const { code, stderr } = await coffer(['service', service], env)
          return [service, code, stderr.includes('COFFER_FIPS_UNAVAILABLE')]
        }),
      )
      expect(refusals).toEqual(SERVICES.map((service) => [service, 1, true]))
    })
  })
}
