import type { Account } from '@coffer/contracts'
import { insecureExportKeyBytes } from '@coffer/crypto-core'
import type { Mesh } from '@coffer/mesh'
import Table from 'cli-table3'
import { Command } from 'commander'
import { accountIdOf, keyOwnerOf } from './account-names.ts'
import { addOptionFlags, MESH_OPTIONS, STORE_OPTIONS } from './option-flags.ts'
import { print, printJson } from './print.ts'
import { keyQuotaIn, quotaCommand } from './quota-command.ts'
import { renderUsage } from './usage-tables.ts'
import { withStore } from './with-store.ts'

export function accountCommand(): Command {
  return new Command('account')
    .description('accounts: owners of buckets, each with a root access key of its own')
    .addCommand(createCommand())
    .addCommand(listCommand())
    .addCommand(removeCommand())
    .addCommand(usageCommand())
    .addCommand(quotaCommand({ kind: 'account', find: quotaOf }))
}

async function quotaOf(mesh: Mesh, name: string) {
  return { scope: { accountId: await accountIdOf(mesh, name) }, keyOwner: await keyOwnerOf(mesh, name) }
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
  const command = storeCommand('remove', 'remove an account that owns no buckets and no master keys').argument(
    '<account>',
    'id or name',
  )
  return command.action(async (account: string, { json }: { json?: boolean }) => {
    await withStore(command, async (mesh) => {
      const accountId = await accountIdOf(mesh, account)
      await mesh.use('iam').removeAccount(account)
      await mesh.use('metadata').removeQuota({ accountId })
      print(
        json
          ? JSON.stringify({ removed: account })
          : `Account ${account} is removed; its access keys are refused from now on.`,
      )
    })
  })
}

function usageCommand(): Command {
  const command = storeCommand(
    'usage',
    'what all buckets of each account hold, and how many master keys and aliases it has',
  ).argument('[account]', 'this one only')
  return command.action(async (account: string | undefined, { json }: { json?: boolean }) => {
    await withStore(command, async (mesh) => {
      const metadata = mesh.use('metadata')
      const only = account === undefined ? undefined : await accountIdOf(mesh, account)
      const rows = []
      const kms = mesh.use('kms')
      for (const { accountId, name } of await mesh.use('iam').listAccounts()) {
        if (only !== undefined && only !== accountId) continue
        const usage = await metadata.getUsage({ accountId })
        const keys = await kms.getKeyUsage(await keyOwnerOf(mesh, accountId))
        rows.push({ accountId, name, usage, keys, quota: await metadata.findQuota({ accountId }) })
      }
      if (!json) return print(renderUsage('account', rows))
      printJson(
        rows.map(({ accountId, name, usage, keys, quota }) => ({
          ...{ accountId, name, ...usage, keyCount: keys.keyCount, aliasCount: keys.aliasCount },
          quota: quota ?? null,
          keyQuota: keyQuotaIn(keys),
        })),
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
