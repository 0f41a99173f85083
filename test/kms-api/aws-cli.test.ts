import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { run, runOrThrow } from '../harness/coffer-command.ts'
import { describeWithPrograms } from '../harness/find-program.ts'
import { cleanEnvironment, serverForSuite, temporaryDirectory } from '../harness/start-server.ts'
import { iam } from '../iam/query-api.ts'

const TIMEOUT_MS = 120_000

const server = await serverForSuite()
const directory = temporaryDirectory('kms-cli')
mkdirSync(directory, { recursive: true })
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const env = cleanEnvironment({
  HOME: directory,
  AWS_ACCESS_KEY_ID: server.accessKeyId,
  AWS_SECRET_ACCESS_KEY: server.secretAccessKey,
  AWS_DEFAULT_REGION: 'us-east-1',
  AWS_CA_BUNDLE: server.caFile,
  AWS_EC2_METADATA_DISABLED: 'true',
})

describeWithPrograms('the AWS command line', ['aws'], ({ aws }) => {
  const args = (...words: string[]) => ['kms', '--endpoint-url', server.endpoint, '--output', 'json', ...words]
  const kms = async (...words: string[]) => {
    const { stdout } = await runOrThrow(aws, args(...words), { env, timeoutMs: TIMEOUT_MS })
    return stdout.trim() === '' ? {} : JSON.parse(stdout)
  }

  it(
    'makes a key, an alias and a grant, and a file goes there and back',
    async () => {
      const made = await kms('create-key', '--description', 'by hand', '--tags', 'TagKey=team,TagValue=blue')
      const keyId: string = made.KeyMetadata.KeyId
      await kms('create-alias', '--alias-name', 'alias/cli', '--target-key-id', keyId)
      const [plain, sealed] = [join(directory, 'plain'), join(directory, 'sealed')]
      writeFileSync(plain, randomBytes(1_000))
      const context = ['--encryption-context', 'tenant=a,stage=test']
      const encrypted = await kms('encrypt', '--key-id', 'alias/cli', '--plaintext', `fileb://${plain}`, ...context)
      writeFileSync(sealed, Buffer.from(encrypted.CiphertextBlob, 'base64'))
      const decrypted = await kms('decrypt', '--ciphertext-blob', `fileb://${sealed}`, ...context)
      expect(Buffer.from(decrypted.Plaintext, 'base64').equals(readFileSync(plain))).toBe(true)
      await kms('enable-key-rotation', '--key-id', keyId, '--rotation-period-in-days', '180')
      expect(await kms('get-key-rotation-status', '--key-id', keyId)).toMatchObject({ RotationPeriodInDays: 180 })
      const grantee = (await kms('describe-key', '--key-id', keyId)).KeyMetadata.AWSAccountId
      const whom = ['--grantee-principal', `arn:aws:iam::${grantee}:user/ann`, '--operations', 'Decrypt', 'DescribeKey']
      const constraints = ['--constraints', 'EncryptionContextSubset={tenant=a}']
      await iam(server, 'CreateUser', { UserName: 'ann' })
      const grant = await kms('create-grant', '--key-id', keyId, ...whom, ...constraints, '--name', 'by-hand')
      expect((await kms('list-grants', '--key-id', keyId)).Grants).toMatchObject([
        { GrantId: grant.GrantId, Name: 'by-hand', Constraints: { EncryptionContextSubset: { tenant: 'a' } } },
      ])
      await kms('revoke-grant', '--key-id', keyId, '--grant-id', grant.GrantId)
      expect((await kms('list-grants', '--key-id', keyId)).Grants).toEqual([])
      const wrong = args('decrypt', '--ciphertext-blob', `fileb://${sealed}`)
      const refused = await run(aws, wrong, { env, timeoutMs: TIMEOUT_MS })
      expect(refused.stderr).toContain('InvalidCiphertextException')
      expect((await kms('list-aliases')).Aliases).toMatchObject([{ AliasName: 'alias/cli', TargetKeyId: keyId }])
    },
    TIMEOUT_MS,
  )
})
