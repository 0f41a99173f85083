import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { KmsConnector } from '@coffer/kms'
import { vaultConnector } from '@coffer/kms/connectors/vault'
import { MemoryRecords } from '@coffer/kms/testing'

/** Files with secrets for one suite, and connectors, which `dispose` ends. */
export function vaultWorkbench() {
  const directory = mkdtempSync(join(tmpdir(), 'coffer-vault-'))
  const opened: KmsConnector[] = []
  let count = 0
  return {
    fileWith(text: string): string {
      const path = join(directory, `file-${count++}`)
      writeFileSync(path, `${text}\n`, { mode: 0o600 })
      return path
    },
    async connect(settings: object): Promise<KmsConnector> {
      const context = { name: 'vault', records: new MemoryRecords() }
      const connector = await vaultConnector.open(vaultConnector.options.parse(settings), context)
      opened.push(connector)
      return connector
    },
    async dispose(): Promise<void> {
      for (const connector of opened) await connector.close()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}
