import type { KeyGrant } from '@coffer/contracts'
import type { Mesh } from '@coffer/mesh'
import { Command } from 'commander'
import { renderGrants } from './key-tables.ts'
import { addOptionFlags, MESH_OPTIONS, STORE_OPTIONS } from './option-flags.ts'
import { print, printJson } from './print.ts'
import { withStore } from './with-store.ts'

const PAGE = 500
const KEY_ARGUMENT = 'key, or connector/key'

/** `coffer key grant`. Grants are made by the KMS API, where it is known who makes them. */
export function keyGrantCommand(): Command {
  return new Command('grant')
    .description('who was granted the use of a key by CreateGrant of the KMS API')
    .addCommand(listCommand())
    .addCommand(revokeCommand())
}

function listCommand(): Command {
  const command = new Command('list')
    .description('show the grants of a key')
    .argument('<key>', KEY_ARGUMENT)
    .option('--grantee <arn>', 'only those to this user, role or account, or to this unique id')
    .option('--json', 'print JSON')
  return withFlags(command).action(async (keyId: string, { json, grantee }: { json?: boolean; grantee?: string }) => {
    await withStore(command, async (mesh) => {
      const grants: KeyGrant[] = []
      let page: readonly KeyGrant[]
      const grantees = grantee === undefined ? undefined : await namesOf(grantee, mesh)
      do {
        const afterGrantId = grants.at(-1)?.grantId ?? ''
        const query = { keyId, ...(grantees !== undefined && { grantees }), afterGrantId, limit: PAGE }
        page = await mesh.use('kms').listGrants(query)
        grants.push(...page)
      } while (page.length === PAGE)
      if (json) printJson(grants)
      else print(renderGrants(grants))
    })
  })
}

/** Grants are to unique ids; those of before there were any, to ARNs. */
async function namesOf(name: string, mesh: Mesh): Promise<readonly string[]> {
  return [name, ...Object.values(await mesh.use('iam').identifyPrincipals([name]))]
}

function revokeCommand(): Command {
  const command = new Command('revoke')
    .description('end a grant: within a second it lets nobody use the key any more')
    .argument('<key>', KEY_ARGUMENT)
    .argument('<grant-id>', 'as `coffer key grant list` shows it')
  return withFlags(command).action(async (keyId: string, grantId: string) => {
    await withStore(command, async (mesh) => await mesh.use('kms').removeGrant(keyId, grantId))
  })
}

function withFlags(command: Command): Command {
  return addOptionFlags(command, [...STORE_OPTIONS, ...MESH_OPTIONS])
}
