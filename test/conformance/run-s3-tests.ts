/**
 * Runs ceph/s3-tests against a Coffer of its own and prints what passed and what failed (docs/s3-conformance.md).
 * `pnpm conformance <path of an s3-tests checkout> [arguments for pytest]`
 *
 * The program is `python -m pytest`: of PYTHON, or of a virtual environment `virtualenv` or `.venv` in the checkout, or of PATH.
 */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { cofferJson, run } from '../harness/coffer-command.ts'
import { type CofferServer, startServer } from '../harness/start-server.ts'
import { ACCOUNT_NAMES, renderS3TestsConfig, type TestAccount, type TestAccounts } from './s3-tests-config.ts'
import { parsePytestOutput, renderReport } from './s3-tests-report.ts'

const REGION = 'us-east-1'
const KMS_KEY_IDS = ['conformance-1', 'conformance-2'] as const
const SUITE = 's3tests/functional'
const TIMEOUT_MS = 4 * 3_600_000
/** pytest cuts its summary lines at the width of the terminal. */
const SUMMARY_COLUMNS = '400'

const [checkoutArgument, ...pytestArguments] = process.argv.slice(2)
if (checkoutArgument === undefined || !existsSync(join(checkoutArgument, SUITE))) {
  console.error('usage: pnpm conformance <path of a checkout of github.com/ceph/s3-tests> [arguments for pytest]')
  process.exit(2)
}
const checkout = resolve(checkoutArgument)

const server = await startServer({
  env: {
    COFFER_PUBLIC_ACCESS: 'allowed',
    COFFER_OBJECT_OWNERSHIP: 'ObjectWriter',
    COFFER_SIGNATURE_VERSION_2: 'allowed',
  },
})
const scratch = mkdtempSync(join(tmpdir(), 'coffer-conformance-'))
try {
  process.exitCode = await runSuite(server)
} finally {
  await server.dispose()
  rmSync(scratch, { recursive: true, force: true })
}

/** 0: all passed; 1: some failed; 2: pytest could not run. */
async function runSuite(target: CofferServer): Promise<number> {
  const accounts = await makeAccounts(target)
  for (const keyId of KMS_KEY_IDS) await cofferJson(target, ['key', 'create', keyId])
  const configFile = join(scratch, 's3tests.conf')
  const config = renderS3TestsConfig({ port: target.port, kmsKeyIds: KMS_KEY_IDS }, accounts)
  writeFileSync(configFile, config, { mode: 0o600 })
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
      cwd: checkout,
      timeoutMs: TIMEOUT_MS,
      env: {
        ...process.env,
        S3TEST_CONF: configFile,
        AWS_DEFAULT_REGION: REGION,
        // For the tests that open connections of their own and verify them.
        SSL_CERT_FILE: target.caFile,
        REQUESTS_CA_BUNDLE: target.caFile,
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
