import { type Condition, parseCondition } from './condition.ts'
import { Pattern } from './pattern.ts'
import type { Negatable, Policy, PrincipalPattern, Statement } from './policy.ts'
import type { BoundPrincipals } from './policy-principals.ts'

/** What a policy is attached to. */
export interface PolicyPlace {
  /** Actions of other services are refused: `s3`. */
  readonly service: string
  /** Whether it may name this resource, wildcards and all. */
  readonly isOwnResource: (resource: string) => boolean
  /** Absent: that of a bucket policy. */
  readonly bytesMax?: number
}

/** The policy can't be what its author meant; the message is for them. */
export class PolicyMalformed extends Error {}

/** S3 User Guide, "Bucket policies": 20 KB. */
export const POLICY_BYTES_MAX = 20 * 1024
/** Above what each kind may have, which is counted without white space: 2 to 10 KB (IAM User Guide, "IAM quotas"). */
const IDENTITY_POLICY_BYTES_MAX = 128 * 1024
const STATEMENTS_MAX = 500
const VALUES_MAX = 1_000
const VERSIONS = ['2012-10-17', '2008-10-17']
const STATEMENT_FIELDS = [
  'Sid',
  'Effect',
  'Principal',
  'NotPrincipal',
  'Action',
  'NotAction',
  'Resource',
  'NotResource',
  'Condition',
]

type Json = { readonly [name: string]: unknown }

/** What kinds of policies may and must say. */
interface Rules {
  readonly bytesMax: number
  readonly principal: 'required' | 'forbidden'
  readonly resource: 'required' | 'forbidden'
  readonly sid: RegExp
  readonly uniqueSids: boolean
  readonly isAction: (text: string) => boolean
  readonly isResource: (text: string) => boolean
  readonly bound?: BoundPrincipals | undefined
}

const ANY_SID = /^.{0,256}$/su
/** IAM JSON policy elements: Sid: of identity policies only letters and digits. */
const PLAIN_SID = /^[A-Za-z0-9]{0,256}$/

/** Reads a policy that is attached to a resource, and so says of whom it speaks: of those that are bound by their ids. PolicyMalformed. */
export function parseResourcePolicy(text: string, place: PolicyPlace, bound?: BoundPrincipals): Policy {
  return parsePolicy(text, {
    bytesMax: place.bytesMax ?? POLICY_BYTES_MAX,
    principal: 'required',
    resource: 'required',
    sid: ANY_SID,
    // IAM JSON policy elements: Sid asks it of IAM's own policies. S3 takes and keeps the same Sid many times (cloud-custodian #6145).
    uniqueSids: false,
    isAction: (action) => isAction(action, place.service),
    isResource: place.isOwnResource,
    bound,
  })
}

/** Reads a policy of a user, group, role or session, which speaks of whom it is attached to. PolicyMalformed. */
export function parseIdentityPolicy(text: string): Policy {
  return parsePolicy(text, {
    bytesMax: IDENTITY_POLICY_BYTES_MAX,
    principal: 'forbidden',
    resource: 'required',
    sid: PLAIN_SID,
    uniqueSids: true,
    isAction: (action) => isAction(action, undefined),
    isResource: isArnPattern,
  })
}

/** Reads the trust policy of a role: who may take it; of those that are bound by their ids. PolicyMalformed. */
export function parseTrustPolicy(text: string, bound?: BoundPrincipals): Policy {
  return parsePolicy(text, {
    bytesMax: IDENTITY_POLICY_BYTES_MAX,
    principal: 'required',
    resource: 'forbidden',
    sid: PLAIN_SID,
    uniqueSids: true,
    isAction: (action) => isAction(action, 'sts'),
    isResource: () => false,
    bound,
  })
}

function parsePolicy(text: string, rules: Rules): Policy {
  if (Buffer.byteLength(text) > rules.bytesMax) throw malformed(`Policy is larger than ${rules.bytesMax / 1024} KB.`)
  const document = objectIn(jsonOf(text), "Policies must be valid JSON and the first byte must be '{'")
  assertFields(document, ['Version', 'Id', 'Statement'], 'the policy')
  const { Version: version = VERSIONS[1], Id: id, Statement: statements } = document
  if (typeof version !== 'string' || !VERSIONS.includes(version))
    throw malformed('The policy must contain a valid version string')
  if (id !== undefined && typeof id !== 'string') throw malformed('Id must be a text')
  if (statements === undefined) throw malformed('Missing required field Statement')
  const list = Array.isArray(statements) ? statements : [statements]
  if (list.length === 0 || list.length > STATEMENTS_MAX)
    throw malformed('Could not parse the policy: Statement is empty!')
  const hasVariables = version === VERSIONS[0]
  const sids = new Set<string>()
  return {
    statements: list.map((statement, index) => {
      const parsed = parseStatement(statement, index, hasVariables, rules)
      if (rules.uniqueSids && parsed.sid) {
        if (sids.has(parsed.sid)) throw malformed('Statement IDs (SID) in a single policy must be unique.')
        sids.add(parsed.sid)
      }
      return parsed
    }),
  }
}

function parseStatement(value: unknown, index: number, variables: boolean, rules: Rules): Statement {
  const where = `statement ${index + 1}`
  const statement = objectIn(value, `${where} is not an object`)
  assertFields(statement, STATEMENT_FIELDS, where)
  const { Sid: sid, Effect: effect, Condition: condition } = statement
  if (sid !== undefined && (typeof sid !== 'string' || !rules.sid.test(sid)))
    throw malformed(
      rules.sid === PLAIN_SID ? 'Statement IDs (SID) must be alpha-numeric.' : `Sid of ${where} is not a text`,
    )
  if (effect === undefined) throw malformed('Missing required field Effect')
  if (effect !== 'Allow' && effect !== 'Deny') throw malformed(`Invalid effect: ${shown(effect)}`)
  const actions = negatable(statement, 'Action', where)
  assertAbsent(statement, 'Principal', rules.principal)
  assertAbsent(statement, 'Resource', rules.resource)
  return {
    sid,
    effect,
    principals: rules.principal === 'required' ? principalsOf(statement, rules.bound) : undefined,
    actions: patterns(actions, { wildcards: true, variables: false }, (text) => {
      if (!rules.isAction(text)) throw malformed('Policy has invalid action')
    }),
    resources:
      rules.resource === 'forbidden'
        ? undefined
        : patterns(negatable(statement, 'Resource', where), { wildcards: true, variables }, (text) => {
            if (!rules.isResource(text)) throw malformed('Policy has invalid resource')
          }),
    conditions: condition === undefined ? [] : conditionsOf(condition, where),
  }
}

function assertAbsent(statement: Json, name: string, rule: Rules['principal']): void {
  if (rule === 'required') return
  for (const field of [name, `Not${name}`]) {
    if (statement[field] !== undefined) throw malformed(`Policy document should not specify a ${field.toLowerCase()}.`)
  }
}

/** `*`, or something of the form of an ARN, wildcards and all. */
function isArnPattern(text: string): boolean {
  return text === '*' || /^arn:[^:]*:[^:]*:[^:]*:[^:]*:.+$/s.test(text) || /^arn:.*[*].*$/s.test(text)
}

/** Of any service where `service` is undefined. */
function isAction(text: string, service: string | undefined): boolean {
  if (text === '*') return true
  const [prefix, name, ...rest] = text.split(':')
  if (name === undefined || !/^[A-Za-z0-9*?]+$/.test(name) || rest.length > 0) return false
  return service === undefined ? /^[A-Za-z0-9-]{1,64}$/.test(prefix ?? '') : prefix?.toLowerCase() === service
}

/** Either the element or its Not... form, and one of them. */
function negatable(statement: Json, name: string, where: string): Negatable<string> {
  const [plain, not] = [statement[name], statement[`Not${name}`]]
  if (plain !== undefined && not !== undefined) throw malformed(`${where} has ${name} and Not${name}`)
  if (plain === undefined && not === undefined) throw malformed(`Missing required field ${name}`)
  return { not: not !== undefined, of: textsOf(plain ?? not, `${name} of ${where}`) }
}

function patterns(
  { not, of }: Negatable<string>,
  options: { wildcards: boolean; variables: boolean },
  assertValid: (text: string) => void,
): Negatable<Pattern> {
  for (const text of of) assertValid(text)
  return { not, of: of.map((text) => new Pattern(text, options)) }
}

function principalsOf(statement: Json, bound: BoundPrincipals = {}): Negatable<PrincipalPattern> {
  const { Principal: plain, NotPrincipal: not } = statement
  if (plain !== undefined && not !== undefined) throw malformed('A statement has Principal and NotPrincipal')
  const value = plain ?? not
  if (value === undefined) throw malformed('Missing required field Principal')
  if (value === '*') return { not: not !== undefined, of: [{ kind: 'everybody' }] }
  const kinds = objectIn(value, 'Invalid principal in policy')
  const of = Object.entries(kinds).flatMap(([kind, names]) =>
    textsOf(names, 'Principal').map((name) => {
      const uniqueId = kind === 'AWS' && Object.hasOwn(bound, name) ? bound[name] : undefined
      return principalOf(kind, uniqueId ?? name)
    }),
  )
  if (of.length === 0) throw malformed('Invalid principal in policy')
  return { not: not !== undefined, of }
}

const ACCOUNT_ID = /^\d{12}$/
const ROOT_ARN = /^arn:aws:iam::(\d{12}):root$/
const PRINCIPAL_ARN = /^arn:aws:(iam|sts)::\d{12}:(user|role|assumed-role|federated-user)\/[\w+=,.@/-]{1,512}$/
/** IAM User Guide, "Unique identifiers"; of a role's session what `aws:userid` says. */
const UNIQUE_ID = /^(AIDA|AROA)[A-Z2-7]{17}(:[\w+=,.@-]{2,64})?$/
const PROVIDER = /^(arn:aws:iam::\d{12}:(oidc-provider|saml-provider)\/[^\s*?]{1,512}|[a-z0-9.-]{1,255}\.[a-z]{2,})$/
const SERVICE = /^[a-z0-9.-]{1,128}\.amazonaws\.com$/
const CANONICAL_ID = /^[0-9a-f]{64}$/

function principalOf(kind: string, name: string): PrincipalPattern {
  if (kind === 'AWS') {
    if (name === '*') return { kind: 'everybody' }
    if (ACCOUNT_ID.test(name)) return { kind: 'account', accountId: name }
    const [, accountId] = ROOT_ARN.exec(name) ?? []
    if (accountId !== undefined) return { kind: 'account', accountId }
    if (PRINCIPAL_ARN.test(name)) return { kind: 'arn', arn: name }
    if (UNIQUE_ID.test(name)) return { kind: 'unique-id', uniqueId: name }
  }
  if (kind === 'Federated' && PROVIDER.test(name)) return { kind: 'federated', provider: name }
  if (kind === 'Service' && SERVICE.test(name)) return { kind: 'service', service: name }
  if (kind === 'CanonicalUser' && CANONICAL_ID.test(name)) return { kind: 'canonical', canonicalId: name }
  throw malformed('Invalid principal in policy')
}

function conditionsOf(value: unknown, where: string): Condition[] {
  const block = objectIn(value, `Condition of ${where} is not an object`)
  return Object.entries(block).flatMap(([operator, keys]) =>
    Object.entries(objectIn(keys, `Condition of ${where} is not an object of objects`)).map(([key, wanted]) => {
      if (!/^[A-Za-z0-9:._/+=@-]{1,256}$/.test(key)) throw malformed(`Invalid Condition key: ${shown(key)}`)
      const texts = textsOf(wanted, `Condition of ${where}`)
      const condition = parseCondition(operator, key, texts)
      if (condition === undefined) throw malformed(`Invalid Condition: ${shown(operator)} of ${shown(key)}`)
      return condition
    }),
  )
}

/** A text or a list of texts; numbers and truth values as their texts. */
function textsOf(value: unknown, what: string): string[] {
  const list = Array.isArray(value) ? value : [value]
  if (list.length === 0 || list.length > VALUES_MAX) throw malformed(`${what} is empty`)
  return list.map((one) => {
    if (typeof one === 'string' || typeof one === 'number' || typeof one === 'boolean') return String(one)
    throw malformed(`${what} is not a text or a list of texts`)
  })
}

function assertFields(object: Json, allowed: readonly string[], where: string): void {
  const unknown = Object.keys(object).find((name) => !allowed.includes(name))
  if (unknown !== undefined) throw malformed(`Unknown field ${shown(unknown)} in ${where}`)
}

function objectIn(value: unknown, message: string): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed(message)
  return value as Json
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw malformed("Policies must be valid JSON and the first byte must be '{'")
  }
}

function shown(value: unknown): string {
  return String(value).slice(0, 100)
}

function malformed(message: string): PolicyMalformed {
  return new PolicyMalformed(message)
}
