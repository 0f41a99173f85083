import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { KmsConnector } from '@coffer/kms'
import { vaultConnector } from '@coffer/kms/connectors/vault'
import { MemoryRecords } from '@coffer/kms/testing'
import { PATIENT_MS } from './cloud-failures.ts'

/** All that Coffer may do in Transit (docs/kms/vault.md). */
export const POLICY = `
path "transit/keys/coffer-*" { capabilities = ["create", "read", "update"] }
path "transit/keys" { capabilities = ["list"] }
path "transit/keys/" { capabilities = ["list", "read"] }
path "transit/datakey/plaintext/coffer-*" { capabilities = ["update"] }
path "transit/encrypt/coffer-*" { capabilities = ["update"] }
path "transit/decrypt/coffer-*" { capabilities = ["update"] }
path "transit/rewrap/coffer-*" { capabilities = ["update"] }
`

/** Files with secrets for one suite, and connectors, which `dispose` ends. */
export function vaultWorkbench() {
  const directory = mkdtempSync(join(tmpdir(), 'coffer-vault-'))
  const opened: KmsConnector[] = []
  let count = 0
  const fileWith = (text: string): string => {
    const path = join(directory, `file-${count++}`)
    writeFileSync(path, `${text}\n`, { mode: 0o600 })
    return path
  }
  return {
    fileWith,
    withToken(address: string, token: string) {
      return { address, auth: { method: 'token', tokenFile: fileWith(token) } }
    },
    async connect(settings: object, records = new MemoryRecords()): Promise<KmsConnector> {
      const options = vaultConnector.options.parse({ timeoutMs: PATIENT_MS, ...settings })
      const connector = await vaultConnector.open(options, { name: 'vault', records })
      opened.push(connector)
      return connector
    },
    async dispose(): Promise<void> {
      for (const connector of opened) await connector.close()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

/** What stands in the place of a server, while `act` runs. */
export async function answering(answer: RequestListener, act: (address: string) => Promise<void>): Promise<void> {
  const server = createServer(answer)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    await act(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  } finally {
    server.closeAllConnections()
    server.close()
  }
}
