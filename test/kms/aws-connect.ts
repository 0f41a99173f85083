import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { KmsConnector } from '@coffer/kms'
import { awsConnector } from '@coffer/kms/connectors/aws'
import { MemoryRecords } from '@coffer/kms/testing'
import { PATIENT_MS } from './cloud-failures.ts'

/** Files with secrets for one suite, and connectors, which `dispose` ends. */
export function awsWorkbench() {
  const directory = mkdtempSync(join(tmpdir(), 'coffer-aws-'))
  const opened: KmsConnector[] = []
  let count = 0
  const fileWith = (text: string, path = join(directory, `file-${count++}`)): string => {
    writeFileSync(path, `${text}\n`, { mode: 0o600 })
    return path
  }
  return {
    fileWith,
    /** To an endpoint, with an access key that a server which checks none takes. */
    settingsFor(endpoint: string, secret = 'any-secret-will-do') {
      const access = { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKeyFile: fileWith(secret) }
      return { region: 'eu-central-1', endpoint, ...access }
    },
    async connect(settings: object): Promise<KmsConnector> {
      const context = { name: 'aws', records: new MemoryRecords() }
      const connector = await awsConnector.open(
        awsConnector.options.parse({ timeoutMs: PATIENT_MS, ...settings }),
        context,
      )
      opened.push(connector)
      return connector
    },
    async dispose(): Promise<void> {
      for (const connector of opened) await connector.close()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

/** Everything that an error could tell. */
export function textsOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return [error.message, error.stack, JSON.stringify(error), textsOf(error.cause)].join('\n')
}
