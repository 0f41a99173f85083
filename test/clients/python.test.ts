import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { runOrThrow } from '../harness/coffer-command.ts'
import { cleanEnvironment, serverForSuite, temporaryDirectory } from '../harness/start-server.ts'
import { documented, documentedVariables } from './documented.ts'
import { describeWithPythonClients } from './python-clients.ts'

const TIMEOUT_MS = 120_000
const SUITES = join(import.meta.dirname, 'python')

const server = await serverForSuite()
const directory = temporaryDirectory('python')
afterAll(() => rmSync(directory, { recursive: true, force: true }))

describeWithPythonClients('Python', (python) => {
  /** Runs a unittest file; `snippet`, the module that it takes its clients from, is a block of docs/clients.md. */
  const suite = async (file: string, heading: string): Promise<string> => {
    const modules = join(directory, file)
    mkdirSync(modules)
    writeFileSync(join(modules, 'snippet.py'), documented(heading, 'python', server))
    const env = cleanEnvironment({
      ...documentedVariables('AWS CLI and SDKs', server),
      HOME: directory,
      PYTHONPATH: modules,
      PYTHONDONTWRITEBYTECODE: '1',
      AWS_EC2_METADATA_DISABLED: 'true',
    })
    const ran = await runOrThrow(python, [join(SUITES, file)], { env, timeoutMs: TIMEOUT_MS })
    return ran.stderr
  }

  const passes = (file: string, heading: string) => async () => {
    expect(await suite(file, heading)).toMatch(/^Ran [1-9]\d* tests? in [\s\S]*^OK$/m)
  }

  it('boto3 moves bytes in parts, ranges, URLs and forms', passes('boto3_transfers.py', 'boto3'), TIMEOUT_MS)
  it('boto3 keeps versions, tags, locks and conditions', passes('boto3_buckets.py', 'boto3'), TIMEOUT_MS)
  it('boto3 encrypts, and manages keys, users and roles', passes('boto3_keys.py', 'boto3'), TIMEOUT_MS)
  it('pyarrow keeps Parquet files and datasets', passes('parquet.py', 'pyarrow'), TIMEOUT_MS)
  it('s3fs of fsspec is a file system', passes('fsspec_files.py', 's3fs for Python'), TIMEOUT_MS)
  it('the MinIO SDK does what it can', passes('minio_sdk.py', 'MinIO SDK for Python'), TIMEOUT_MS)
})
