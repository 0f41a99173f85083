import { setImmediate } from 'node:timers/promises'
import {
  type ContextValues,
  decide,
  type NamedPolicy,
  PolicyReader,
  type PrincipalPolicies,
  parseResourcePolicy,
  principalValue,
} from '@coffer/policy'
import { z } from 'zod'
import { arnOf, type PolicyHolder } from '../entities.ts'
import { refusal } from '../errors.ts'
import { policiesOfHolder, principalOfHolder } from '../principals.ts'
import { type ActionCall, ANYTHING, type IamAction, iamAction, type Result } from './action.ts'
import { readable, readPolicy } from './documents.ts'
import { arn, document, listOf, paging } from './fields.ts'
import { holdersOf } from './find-entities.ts'
import { pageOf } from './pages.ts'

const ASKED_MAX = 100
/** Far more than policies of one account, and all that they name, take. */
const EVALUATION_MS_MAX = 5_000
const contextEntry = z.strictObject({
  ContextKeyName: z.string().min(5).max(256),
  ContextKeyValues: listOf(z.string(), 100),
  ContextKeyType: z.string().max(32),
})
const asked = {
  ActionNames: listOf(z.string().min(3).max(128), ASKED_MAX),
  ResourceArns: listOf(z.string().min(1).max(2048), ASKED_MAX).default(['*']),
  ContextEntries: listOf(contextEntry, 100).default([]),
  PermissionsBoundaryPolicyInputList: listOf(document, 1).default([]),
  ResourcePolicy: document.optional(),
  ResourceOwner: z.string().max(2048).optional(),
  CallerArn: arn.optional(),
  ...paging,
}
const Custom = z.strictObject({ PolicyInputList: listOf(document, ASKED_MAX), ...asked })
const OfPrincipal = z.strictObject({
  PolicySourceArn: arn,
  PolicyInputList: listOf(document, ASKED_MAX).default([]),
  ...asked,
})
type Asked = Omit<z.infer<typeof Custom>, 'PolicyInputList'>

const reader = new PolicyReader()

/** What policies would say (IAM User Guide, "Testing IAM policies with the IAM policy simulator"). Nothing is changed. */
export const SIMULATION_ACTIONS: readonly IamAction[] = [
  iamAction('SimulateCustomPolicy', Custom, ANYTHING, async (input, call) => {
    const identity = input.PolicyInputList.map(inputPolicy)
    return evaluate(input, { identity, ...boundaryOf(input) }, { documents: input.PolicyInputList }, call)
  }),
  iamAction(
    'SimulatePrincipalPolicy',
    OfPrincipal,
    ({ PolicySourceArn }) => ({ arn: PolicySourceArn }),
    async (input, call) => {
      const holder = holderWithArn(call, input.PolicySourceArn)
      const attached = policiesOfHolder(call.directory, holder)
      const own = reader.read(attached)
      const identity = [...own.identity, ...input.PolicyInputList.map(inputPolicy)]
      const documents = [...attached.identity.map(({ document }) => document), ...input.PolicyInputList]
      return evaluate(input, { ...own, identity, ...boundaryOf(input) }, { holder, documents }, call)
    },
  ),
  iamAction(
    'GetContextKeysForCustomPolicy',
    z.strictObject({ PolicyInputList: listOf(document, ASKED_MAX) }),
    ANYTHING,
    async ({ PolicyInputList }) => ({ ContextKeyNames: contextKeysOf(PolicyInputList) }),
  ),
  iamAction(
    'GetContextKeysForPrincipalPolicy',
    z.strictObject({ PolicySourceArn: arn, PolicyInputList: listOf(document, ASKED_MAX).default([]) }),
    ({ PolicySourceArn }) => ({ arn: PolicySourceArn }),
    async ({ PolicySourceArn, PolicyInputList }, call) => {
      const { identity } = policiesOfHolder(call.directory, holderWithArn(call, PolicySourceArn))
      const documents = [...identity.map((attached) => attached.document), ...PolicyInputList]
      return { ContextKeyNames: contextKeysOf(documents) }
    },
  ),
]

/**
 * A question after another, and others' requests between them: a request can bring half a MiB of policies and ten thousand
 * questions. LimitExceeded past `EVALUATION_MS_MAX`.
 */
async function evaluate(
  input: Asked,
  policies: PrincipalPolicies,
  { holder, documents }: { readonly holder?: PolicyHolder; readonly documents: readonly string[] },
  call: ActionCall,
) {
  const { directory, accountId } = call
  const caller = input.CallerArn === undefined ? holder : holderWithArn(call, input.CallerArn)
  const principal = principalOfHolder(directory, accountId, caller)
  const given = contextOf(input.ContextEntries)
  const values: ContextValues = (key) => given(key) ?? asList(principalValue(principal, key))
  const asked = [...documents, ...input.PermissionsBoundaryPolicyInputList]
  const missing = contextKeysOf(asked).filter((name) => values(name.toLowerCase()) === undefined)
  const resourcePolicy = input.ResourcePolicy === undefined ? undefined : resourcePolicyOf(input.ResourcePolicy)
  const questions = input.ActionNames.flatMap((action) =>
    input.ResourceArns.map((resource, index) => ({
      action,
      resource,
      order: `${action}/${String(index).padStart(4)}`,
    })),
  )
  const { items, more } = pageOf(questions, ({ order }) => order, input)
  const evaluated: Result[] = []
  const startedAt = performance.now()
  for (const { action, resource } of items) {
    if (performance.now() - startedAt > EVALUATION_MS_MAX) {
      throw refusal(
        'IAM_LIMIT_EXCEEDED',
        'The policies are too large for so many actions and resources in one request.',
      )
    }
    const { effect, reason, statement } = decide({
      principal,
      policies,
      action,
      resource,
      values,
      resourceAccountId: input.ResourceOwner?.split(':')[4] ?? accountId,
      resourcePolicy,
    })
    evaluated.push({
      EvalActionName: action,
      EvalResourceName: resource,
      EvalDecision: effect === 'allow' ? 'allowed' : reason === 'explicit-deny' ? 'explicitDeny' : 'implicitDeny',
      MatchedStatements:
        statement === undefined
          ? []
          : [{ SourcePolicyId: statement.policyId, SourcePolicyType: sourceOf(statement.kind) }],
      MissingContextValues: missing,
    })
    await setImmediate()
  }
  return { EvaluationResults: evaluated, ...more }
}

function sourceOf(kind: string): string {
  return kind === 'resource' ? 'Resource Policy' : 'IAM Policy'
}

function inputPolicy(text: string, index: number): NamedPolicy {
  return { id: `PolicyInputList.${index + 1}`, policy: readPolicy(text) }
}

function boundaryOf({ PermissionsBoundaryPolicyInputList: [text] }: Asked): Pick<PrincipalPolicies, 'boundary'> {
  return text === undefined
    ? {}
    : { boundary: { id: 'PermissionsBoundaryPolicyInputList.1', policy: readPolicy(text) } }
}

/** Of whatever service its actions are of. */
function resourcePolicyOf(text: string): NamedPolicy {
  const service = /"(?:Not)?Action"\s*:\s*\[?\s*"([a-z0-9-]+):/i.exec(text)?.[1]?.toLowerCase() ?? 's3'
  return {
    id: 'ResourcePolicy',
    policy: readable(() => parseResourcePolicy(text, { service, isOwnResource: () => true })),
  }
}

function contextOf(entries: Asked['ContextEntries']): ContextValues {
  const values = new Map(
    entries.map(({ ContextKeyName, ContextKeyValues }) => [ContextKeyName.toLowerCase(), ContextKeyValues]),
  )
  return (key) => values.get(key)
}

/** Keys of conditions, and variables. */
function contextKeysOf(documents: readonly string[]): string[] {
  const names = documents.flatMap((text) => {
    readPolicy(text)
    const { Statement } = JSON.parse(text) as { Statement: unknown }
    const statements = (Array.isArray(Statement) ? Statement : [Statement]) as { Condition?: Record<string, object> }[]
    const keys = statements.flatMap(({ Condition = {} }) => Object.values(Condition).flatMap(Object.keys))
    const variables = [...text.matchAll(/\$\{([A-Za-z0-9:._/-]+)/g)].map(([, name = '']) => name)
    return [...keys, ...variables]
  })
  return [...new Set(names)].sort()
}

/** NoSuchEntity. */
function holderWithArn({ directory, accountId }: ActionCall, wanted: string): PolicyHolder {
  const holder = holdersOf(directory, accountId).find((candidate) => arnOf(candidate) === wanted)
  if (holder !== undefined) return holder
  throw refusal('IAM_NO_SUCH_ENTITY', `The entity with ARN ${wanted} cannot be found.`)
}

function asList(value: string | undefined): readonly string[] | undefined {
  return value === undefined ? undefined : [value]
}
