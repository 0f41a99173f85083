import { readFile } from 'node:fs/promises'
import type { Mesh } from '@coffer/mesh'
import type { ExplainRequest, Explanation } from '@coffer/service-gateway/explain'
import { Command, InvalidArgumentError } from 'commander'
import { cofferError } from '../errors.ts'
import { renderExplanation } from './explain-text.ts'
import { addOptionFlags, configurationValues, MESH_OPTIONS, STORE_OPTIONS } from './option-flags.ts'
import { print, printJson } from './print.ts'
import { withStore } from './with-store.ts'

interface ExplainFlags {
  readonly account: string
  readonly user?: string
  readonly role?: string
  readonly action: string
  readonly resource: string
  readonly context: Readonly<Record<string, readonly string[]>>
  readonly sessionPolicy: readonly string[]
  readonly requesterPays?: boolean
  readonly expectedBucketOwner?: string
  readonly copySource?: string
  readonly renameSource?: string
  readonly inParts?: boolean
  readonly targetKey?: string
  readonly json?: boolean
}

export function iamCommand(): Command {
  return new Command('iam')
    .description('identities: what a user or role may do, and why (to change them: aws iam --endpoint-url ...)')
    .addCommand(explainCommand())
}

function explainCommand(): Command {
  const command = new Command('explain')
    .description(
      'say what a request of a user or role would be told, by all policies that weigh, and which statement decides',
    )
    .option('--account <account>', 'id or name of the account', 'root')
    .option('--user <name>', 'the user')
    .option('--role <name>', 'the role')
    .requiredOption('--action <action>', 'such as s3:GetObject')
    .requiredOption('--resource <arn>', 'such as arn:aws:s3:::bucket/key')
    .option('--context <key=value>', 'a condition key of the request; again for more', contextEntry, {})
    .option(
      '--session-policy <path>',
      'a policy that is passed with the session of the role; again for more',
      listed,
      [],
    )
    .option('--requester-pays', 'of s3: the request says that who makes it pays')
    .option('--expected-bucket-owner <account id>', 'of s3: the request says whose the bucket is to be')
    .option(
      '--copy-source <arn>',
      'of s3:PutObject: it is a copy of this object; ?versionId=... at its end is a version',
    )
    .option('--rename-source <arn>', 'of s3:PutObject: it is this object under another name')
    .option('--in-parts', 'of s3:PutObject: it is an upload in parts')
    .option('--target-key <key>', 'of kms:CreateAlias and kms:UpdateAlias: what the alias is to name')
    .option('--json', 'print JSON')
  return addOptionFlags(command, [...STORE_OPTIONS, 'region', ...MESH_OPTIONS]).action(async (flags: ExplainFlags) => {
    if ((flags.user === undefined) === (flags.role === undefined)) command.error('error: give --user or --role')
    if (flags.user !== undefined && flags.sessionPolicy.length > 0)
      command.error('error: --session-policy is of a --role')
    await withStore(command, async (mesh) => {
      const explanation = await explained(mesh, configurationValues(command).region, flags)
      if (flags.json) printJson(explanation)
      else print(renderExplanation(explanation, flags))
    })
  })
}

async function explained(mesh: Mesh, region: string, flags: ExplainFlags): Promise<Explanation> {
  const { account, user, role, action, resource, context: values } = flags
  const { explain, NotExplained } = await import('@coffer/service-gateway/explain')
  const sessionPolicies = await Promise.all(flags.sessionPolicy.map(readPolicy))
  const asked = { account, action, resource, values, sessionPolicies, ...(user && { user }), ...(role && { role }) }
  const request = { ...asked, ...factsIn(flags) }
  try {
    return await explain(mesh, region, request)
  } catch (error) {
    if (error instanceof NotExplained) throw cofferError('COFFER_NOT_EXPLAINED', error.message)
    throw error
  }
}

/** What no condition key tells. */
function factsIn(flags: ExplainFlags): Partial<ExplainRequest> {
  const { requesterPays, expectedBucketOwner, copySource, renameSource, inParts, targetKey } = flags
  const [resource, versionId] = copySource?.split('?versionId=', 2) ?? []
  return {
    ...(requesterPays && { paysAsRequester: true }),
    ...(expectedBucketOwner !== undefined && { expectedOwner: expectedBucketOwner }),
    ...(resource !== undefined && { copySource: { resource, ...(versionId !== undefined && { versionId }) } }),
    ...(renameSource !== undefined && { renameSource }),
    ...(inParts && { isInParts: true }),
    ...(targetKey !== undefined && { targetKey }),
  }
}

async function readPolicy(path: string): Promise<{ readonly id: string; readonly document: string }> {
  return { id: path, document: await readFile(path, 'utf8') }
}

function listed(text: string, known: readonly string[]): readonly string[] {
  return [...known, text]
}

function contextEntry(text: string, known: Record<string, string[]>): Record<string, string[]> {
  const [, key, value] = /^([A-Za-z0-9:._/-]+)=(.*)$/s.exec(text) ?? []
  if (key === undefined || value === undefined) throw new InvalidArgumentError('expected key=value')
  // The names of an encryption context are told apart by case, condition keys are not.
  const name = /^kms:encryptioncontext:/i.test(key) ? key : key.toLowerCase()
  return { ...known, [name]: [...(known[name] ?? []), value] }
}
