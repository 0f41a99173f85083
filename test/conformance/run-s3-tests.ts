/**
 * Runs ceph/s3-tests against a Coffer of its own and prints what passed and what failed (docs/s3-conformance.md).
 * `pnpm conformance <path of an s3-tests checkout> [--as-aws] [arguments for pytest]`
 *
 * Where test_iam.py or test_sts.py is named, `alt` is a user and there are identity tokens. With `--as-aws` a copy of test_sts.py runs
 * in which what only Ceph has is put as AWS has it (s3-tests-as-aws.ts).
 *
 * The program is `python -m pytest`: of PYTHON, or of a virtual environment `virtualenv` or `.venv` in the checkout, or of PATH.
 */
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { GetKeyPolicyCommand, PutKeyPolicyCommand } from '@aws-sdk/client-kms'
import { cofferJson, run } from '../harness/coffer-command.ts'
import { OIDC_CLIENT_ID, startOidcProvider } from '../harness/oidc-provider.ts'
import { type CofferServer, startServer } from '../harness/start-server.ts'
import { iam, newUser } from '../iam/query-api.ts'
import { kmsClient } from '../kms-api/kms-client.ts'
import { asAws } from './s3-tests-as-aws.ts'
import {
  ACCOUNT_NAMES,
  type ConfigTarget,
  renderS3TestsConfig,
  type TestAccount,
  type TestAccounts,
} from './s3-tests-config.ts'
import { parsePytestOutput, renderReport } from './s3-tests-report.ts'

const REGION = 'us-east-1'
const KMS_KEY_IDS = ['conformance-1', 'conformance-2'] as const
const SUITE = 's3tests/functional'
const TIMEOUT_MS = 4 * 3_600_000
/** pytest cuts its summary lines at the width of the terminal. */
const SUMMARY_COLUMNS = '400'

const AS_AWS = '--as-aws'
const IDENTITY_FILES = /test_(iam|sts)\.py/
const TAGS_CLAIM = 'https://aws.amazon.com/tags'
const TOKEN_SECONDS = TIMEOUT_MS / 1000

const [checkoutArgument, ...moreArguments] = process.argv.slice(2)
const pytestArguments = moreArguments.filter((argument) => argument !== AS_AWS)
if (checkoutArgument === undefined || !existsSync(join(checkoutArgument, SUITE))) {
  console.error('usage: pnpm conformance <path of a checkout of github.com/ceph/s3-tests> [arguments for pytest]')
  process.exit(2)
}
const checkout = resolve(checkoutArgument)
const isOfIdentities = pytestArguments.some((argument) => IDENTITY_FILES.test(argument))
const provider = await startOidcProvider()

const server = await startServer({
  env: {
    COFFER_PUBLIC_ACCESS: 'allowed',
    COFFER_OBJECT_OWNERSHIP: 'ObjectWriter',
    COFFER_SIGNATURE_VERSION_2: 'allowed',
    COFFER_OIDC_ISSUER_HOSTS: '127.0.0.1',
  },
})
const scratch = mkdtempSync(join(tmpdir(), 'coffer-conformance-'))
try {
  process.exitCode = await runSuite(server)
} finally {
  await server.dispose()
  await provider.close()
  rmSync(scratch, { recursive: true, force: true })
}

/** 0: all passed; 1: some failed; 2: pytest could not run. */
async function runSuite(target: CofferServer): Promise<number> {
  const accounts = await makeAccounts(target)
  await makeKeys(target, accounts)
  const configFile = join(scratch, 's3tests.conf')
  const identities = isOfIdentities ? await makeIdentities(target, accounts) : {}
  const config = renderS3TestsConfig({ port: target.port, kmsKeyIds: KMS_KEY_IDS, ...identities }, accounts)
  writeFileSync(configFile, config, { mode: 0o600 })
  const suiteDirectory = moreArguments.includes(AS_AWS) ? copyAsAws(accounts.iam.account.accountId) : checkout
  const suite = pytestArguments.some((argument) => argument.includes('.py')) ? [] : [SUITE]
  const { stdout, stderr } = await run(
    findPython(),
    [
      '-m',
      'pytest',
      '-p',
      'no:cacheprovider',
      '-q',
      '--tb=no',
      '-rA',
      '--show-capture=no',
      ...suite,
      ...pytestArguments,
    ],
    {
      cwd: suiteDirectory,
      timeoutMs: TIMEOUT_MS,
      env: {
        ...process.env,
        S3TEST_CONF: configFile,
        AWS_DEFAULT_REGION: REGION,
        // For the tests that open connections of their own and verify them.
        SSL_CERT_FILE: target.caFile,
        REQUESTS_CA_BUNDLE: target.caFile,
        AWS_CA_BUNDLE: target.caFile,
        COLUMNS: SUMMARY_COLUMNS,
        PYTHONDONTWRITEBYTECODE: '1',
      },
    },
  )
  const report = parsePytestOutput(stdout)
  if (report.files.length === 0) {
    console.error(`pytest ran no test:\n${stdout}\n${stderr}`)
    return 2
  }
  console.log(renderReport(report))
  return report.failures.length === 0 ? 0 : 1
}

/** Master keys of the account that most tests are of, which name them by their ids: their policies have to name the others. */
async function makeKeys(target: CofferServer, accounts: TestAccounts): Promise<void> {
  const { account, accessKey } = accounts.main
  const kms = kmsClient({ ...target, ...accessKey })
  const guests = {
    Effect: 'Allow',
    Principal: { AWS: Object.values(accounts).map(({ account }) => `arn:aws:iam::${account.accountId}:root`) },
    Action: ['kms:Decrypt', 'kms:GenerateDataKey'],
    Resource: '*',
  }
  for (const KeyId of KMS_KEY_IDS) {
    await cofferJson(target, ['key', 'create', KeyId, '--account', account.accountId])
    const { Policy = '' } = await kms.send(new GetKeyPolicyCommand({ KeyId }))
    const policy = JSON.parse(Policy)
    const widened = JSON.stringify({ ...policy, Statement: [...policy.Statement, guests] })
    await kms.send(new PutKeyPolicyCommand({ KeyId, Policy: widened }))
  }
}

/** A user who may make buckets and sessions, as every user of Ceph may, and tokens of a provider. */
async function makeIdentities(
  target: CofferServer,
  { iam: { accessKey } }: TestAccounts,
): Promise<Partial<ConfigTarget>> {
  const root = { ...target, ...accessKey }
  const name = 's3-tests-alt'
  const keys = await newUser(root, name)
  for (const service of ['AmazonS3FullAccess', 'IAMFullAccess']) {
    const PolicyArn = `arn:aws:iam::aws:policy/${service}`
    await iam(root, 'AttachUserPolicy', { UserName: name, PolicyArn })
  }
  const subject = 's3-tests'
  const times = { exp: Math.floor(Date.now() / 1000) + TOKEN_SECONDS }
  // The condition key that Ceph calls the audience by.
  const claims = { app_id: OIDC_CLIENT_ID, azp: OIDC_CLIENT_ID }
  const tags = { [TAGS_CLAIM]: { principal_tags: { Department: ['Engineering'] } } }
  return {
    altUser: { name, ...keys },
    tokens: {
      realm: provider.issuer.replace('http://', ''),
      audience: OIDC_CLIENT_ID,
      subject,
      token: await provider.tokenFor(subject, claims, times),
      taggedToken: await provider.tokenFor(subject, { ...claims, ...tags }, times),
    },
  }
}

function copyAsAws(accountId: string): string {
  const copy = join(scratch, 'suite')
  cpSync(join(checkout, 's3tests'), join(copy, 's3tests'), { recursive: true })
  for (const name of ['pytest.ini', 'tox.ini']) {
    if (existsSync(join(checkout, name))) cpSync(join(checkout, name), join(copy, name))
  }
  const file = join(copy, SUITE, 'test_sts.py')
  writeFileSync(file, asAws(readFileSync(file, 'utf8'), { accountId, audience: OIDC_CLIENT_ID }))
  return copy
}

async function makeAccounts(target: CofferServer): Promise<TestAccounts> {
  const made: [string, TestAccount][] = []
  for (const name of ACCOUNT_NAMES) {
    made.push([name, await cofferJson<TestAccount>(target, ['account', 'create', name])])
  }
  return Object.fromEntries(made) as unknown as TestAccounts
}

function findPython(): string {
  const environments = ['virtualenv', '.venv'].map((name) => join(checkout, name, 'bin/python'))
  return process.env.PYTHON ?? environments.find((path) => existsSync(path)) ?? 'python3'
}
