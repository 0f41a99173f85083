import type { Explanation } from '@coffer/contracts'
import { Command, InvalidArgumentError } from 'commander'
import { addOptionFlags, MESH_OPTIONS, STORE_OPTIONS } from './option-flags.ts'
import { print } from './print.ts'
import { withStore } from './with-store.ts'

interface ExplainFlags {
  readonly account: string
  readonly user?: string
  readonly role?: string
  readonly action: string
  readonly resource: string
  readonly context: Readonly<Record<string, readonly string[]>>
  readonly json?: boolean
}

export function iamCommand(): Command {
  return new Command('iam')
    .description('identities: what a user or role may do, and why (to change them: aws iam --endpoint-url ...)')
    .addCommand(explainCommand())
}

function explainCommand(): Command {
  const command = new Command('explain')
    .description('say whether a user or role may do something in its own account, and which statement decides')
    .option('--account <account>', 'id or name of the account', 'root')
    .option('--user <name>', 'the user')
    .option('--role <name>', 'the role')
    .requiredOption('--action <action>', 'such as s3:GetObject')
    .requiredOption('--resource <arn>', 'such as arn:aws:s3:::bucket/key')
    .option('--context <key=value>', 'a condition key of the request; again for more', contextEntry, {})
    .option('--json', 'print JSON')
  return addOptionFlags(command, [...STORE_OPTIONS, ...MESH_OPTIONS]).action(async (flags: ExplainFlags) => {
    if ((flags.user === undefined) === (flags.role === undefined)) command.error('error: give --user or --role')
    const { account, user, role, action, resource, context: values, json } = flags
    const request = { account, action, resource, values, ...(user && { user }), ...(role && { role }) }
    await withStore(command, async (mesh) => {
      const explanation = await mesh.use('iam').explain(request)
      print(json ? JSON.stringify(explanation, undefined, 2) : render(explanation, flags))
    })
  })
}

function contextEntry(text: string, known: Record<string, string[]>): Record<string, string[]> {
  const [, key, value] = /^([A-Za-z0-9:._/-]+)=(.*)$/s.exec(text) ?? []
  if (key === undefined || value === undefined) throw new InvalidArgumentError('expected key=value')
  const name = key.toLowerCase()
  return { ...known, [name]: [...(known[name] ?? []), value] }
}

const REASONS: Readonly<Record<string, string>> = {
  'explicit-deny': 'a statement denies it',
  'identity-policy': 'a statement allows it',
  'no-identity-policy': 'no policy allows it',
  'not-in-boundary': "a policy allows it, but the permissions boundary doesn't",
}

function render(
  { principalArn, effect, reason, statement, policies }: Explanation,
  { action, resource }: ExplainFlags,
) {
  const verdict = `${principalArn} ${effect === 'allow' ? 'may' : 'may not'} ${action} on ${resource}: ${REASONS[reason] ?? reason}.`
  const which =
    statement &&
    `  statement ${statement.sid ?? statement.index + 1} of ${statement.policyId} (${statement.kind} policy)`
  const asked = `  policies asked: ${policies.length === 0 ? 'none' : policies.join(', ')}`
  const more = "  A resource's policy and keys are asked too, when it is done."
  return [verdict, which, asked, more].filter((line) => line !== undefined).join('\n')
}
