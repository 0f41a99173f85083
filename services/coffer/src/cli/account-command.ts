import type { Account } from '@coffer/contracts'
import { insecureExportKeyBytes } from '@coffer/crypto-core'
import Table from 'cli-table3'
import { Command } from 'commander'
import { addOptionFlags, MESH_OPTIONS, STORE_OPTIONS } from './option-flags.ts'
import { print } from './print.ts'
import { withStore } from './with-store.ts'

export function accountCommand(): Command {
  return new Command('account')
    .description('accounts: owners of buckets, each with a root access key of its own')
    .addCommand(createCommand())
    .addCommand(listCommand())
    .addCommand(removeCommand())
}

function createCommand(): Command {
  const command = storeCommand('create', 'make an account and show its access key, once').argument('<name>')
  return command.action(async (name: string, { json }: { json?: boolean }) => {
    await withStore(command, async (mesh) => {
      const { account, accessKeyId, secretAccessKey } = await mesh.use('iam').createAccount(name, mesh.recipient())
      const secret = mesh.unparcel(secretAccessKey, 'secret-access-key', name)
      const accessKey = { accessKeyId, secretAccessKey: Buffer.from(insecureExportKeyBytes(secret)).toString() }
      if (json) return print(JSON.stringify({ account, accessKey }, undefined, 2))
      print(`Account ${account.name} (${account.accountId}) is made. Its secret is shown this once.`)
      print(`  access key id:     ${accessKey.accessKeyId}`)
      print(`  secret access key: ${accessKey.secretAccessKey}`)
    })
  })
}

function listCommand(): Command {
  const command = storeCommand('list', 'show all accounts')
  return command.action(async ({ json }: { json?: boolean }) => {
    await withStore(command, async (mesh) => {
      const accounts = await mesh.use('iam').listAccounts()
      print(json ? JSON.stringify(accounts, undefined, 2) : renderAccounts(accounts))
    })
  })
}

function removeCommand(): Command {
  const command = storeCommand('remove', 'remove an account that owns no buckets').argument('<account>', 'id or name')
  return command.action(async (account: string, { json }: { json?: boolean }) => {
    await withStore(command, async (mesh) => {
      await mesh.use('iam').removeAccount(account)
      print(
        json
          ? JSON.stringify({ removed: account })
          : `Account ${account} is removed; its access keys are refused from now on.`,
      )
    })
  })
}

function storeCommand(name: string, description: string): Command {
  const command = new Command(name).description(description).option('--json', 'print JSON')
  return addOptionFlags(command, [...STORE_OPTIONS, ...MESH_OPTIONS])
}

function renderAccounts(accounts: readonly Account[]): string {
  const head = ['account id', 'name', 'created', 'root access keys', 'canonical id']
  const table = new Table({ head, style: { head: [], border: [], compact: true } })
  for (const { accountId, name, createdAt, rootAccessKeyIds, canonicalId } of accounts) {
    table.push([accountId, name, new Date(createdAt).toISOString(), rootAccessKeyIds.join(', '), canonicalId])
  }
  return table.toString()
}
