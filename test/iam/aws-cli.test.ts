import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { run, runOrThrow } from '../harness/coffer-command.ts'
import { describeWithPrograms } from '../harness/find-program.ts'
import { cleanEnvironment, serverForSuite, temporaryDirectory } from '../harness/start-server.ts'

const TIMEOUT_MS = 240_000
const ONE_COMMAND_MS = 60_000

const server = await serverForSuite()
const directory = temporaryDirectory('iam-cli')
mkdirSync(directory, { recursive: true })
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const environment = (accessKeyId: string, secretAccessKey: string) =>
  cleanEnvironment({
    HOME: directory,
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AWS_DEFAULT_REGION: 'eu-central-1',
    AWS_CA_BUNDLE: server.caFile,
    AWS_ENDPOINT_URL: server.endpoint,
    AWS_EC2_METADATA_DISABLED: 'true',
  })
const root = environment(server.accessKeyId, server.secretAccessKey)

describeWithPrograms('the AWS command line', ['aws'], ({ aws }) => {
  const as =
    (env: NodeJS.ProcessEnv) =>
    async (line: string, ...more: string[]) => {
      const { stdout } = await runOrThrow(aws, ['--output', 'json', ...line.split(' '), ...more], {
        env,
        timeoutMs: ONE_COMMAND_MS,
      })
      return stdout.trim() === '' ? {} : JSON.parse(stdout)
    }
  const admin = as(root)

  it(
    'leads from the root to a first administrator, and from there to a user who may read one bucket',
    async () => {
      const made = await admin('iam create-user --user-name first-admin --path /staff/ --tags Key=team,Value=ops')
      expect(made.User).toMatchObject({ UserName: 'first-admin', Path: '/staff/' })
      await admin(
        'iam attach-user-policy --user-name first-admin --policy-arn arn:aws:iam::aws:policy/AdministratorAccess',
      )
      const { AccessKey } = await admin('iam create-access-key --user-name first-admin')
      const administrator = as(environment(AccessKey.AccessKeyId, AccessKey.SecretAccessKey))
      expect((await administrator('iam get-user')).User.Arn).toMatch(/:user\/staff\/first-admin$/)
      await administrator('s3api create-bucket --region us-east-1 --bucket cli-papers')
      const document = join(directory, 'read.json')
      const statement = {
        Effect: 'Allow',
        Action: ['s3:GetObject', 's3:ListBucket'],
        Resource: ['arn:aws:s3:::cli-papers', 'arn:aws:s3:::cli-papers/*'],
      }
      writeFileSync(document, JSON.stringify({ Version: '2012-10-17', Statement: [statement] }))
      const created = await administrator(
        'iam create-policy --policy-name read --policy-document',
        `file://${document}`,
      )
      await administrator('iam create-group --group-name readers')
      await administrator('iam attach-group-policy --group-name readers --policy-arn', created.Policy.Arn)
      await administrator('iam create-user --user-name reader')
      await administrator('iam add-user-to-group --group-name readers --user-name reader')
      const keys = (await administrator('iam create-access-key --user-name reader')).AccessKey
      const reader = environment(keys.AccessKeyId, keys.SecretAccessKey)
      await as(reader)('s3api list-objects-v2 --region us-east-1 --bucket cli-papers')
      const put = [
        's3api',
        'put-object',
        '--region',
        'us-east-1',
        '--bucket',
        'cli-papers',
        '--key',
        'k',
        '--body',
        document,
      ]
      expect((await run(aws, put, { env: reader, timeoutMs: ONE_COMMAND_MS })).stderr).toContain('AccessDenied')
      const version = await administrator('iam get-policy-version --version-id v1 --policy-arn', created.Policy.Arn)
      expect(version.PolicyVersion.Document.Statement).toEqual([statement])
      const simulated = await administrator(
        `iam simulate-principal-policy --action-names s3:GetObject s3:PutObject --resource-arns arn:aws:s3:::cli-papers/k --policy-source-arn`,
        (await administrator('iam get-user --user-name reader')).User.Arn,
      )
      expect(simulated.EvaluationResults.map(({ EvalDecision }: { EvalDecision: string }) => EvalDecision)).toEqual([
        'allowed',
        'implicitDeny',
      ])
      const details = await administrator('iam get-account-authorization-details')
      expect(details.UserDetailList).toHaveLength(2)
    },
    TIMEOUT_MS,
  )
})
