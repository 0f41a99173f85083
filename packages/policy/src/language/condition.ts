import { BlockList, isIP } from 'node:net'
import { type ContextValues, Pattern } from './pattern.ts'

/** IAM User Guide, "Condition operators". Each compares one value of the request with one of the policy. */
type Compare = (wanted: Pattern, value: string, values: ContextValues) => boolean

interface Operator {
  readonly compare: Compare
  readonly isNegated: boolean
  readonly wildcards: boolean
  /** Whether a value of a policy makes sense. Variables are looked at when they are known. */
  readonly isValid: (value: string) => boolean
}

/** One line of a Condition block: an operator, a key, and the values of which one has to fit. */
export interface Condition {
  readonly key: string
  readonly values: readonly Pattern[]
  readonly operator: Operator | 'Null'
  readonly ifExists: boolean
  readonly quantifier: 'any' | 'all' | undefined
}

const always = () => true
const same: Compare = (wanted, value, values) => wanted.matches(value, values)
const sameIgnoringCase: Compare = (wanted, value, values) => wanted.matches(value, values, true)

function numeric(test: (value: number, wanted: number) => boolean): Compare {
  const numberWanted = remembered(numberOf)
  return (wanted, value, values) => compared(numberOf(value), numberWanted(wanted, values), test)
}

function dated(test: (value: number, wanted: number) => boolean): Compare {
  const timeWanted = remembered(timeOf)
  return (wanted, value, values) => compared(timeNow(value), timeWanted(wanted, values), test)
}

/** What a text of a policy means is found once, unless it has variables. */
function remembered(parse: (text: string | undefined) => number | undefined) {
  const known = new WeakMap<Pattern, { readonly meaning: number | undefined }>()
  return (wanted: Pattern, values: ContextValues): number | undefined => {
    const found = known.get(wanted)
    if (found !== undefined) return found.meaning
    const meaning = parse(wanted.resolve(values))
    if (wanted.isLiteral) known.set(wanted, { meaning })
    return meaning
  }
}

function compared(
  value: number | undefined,
  wanted: number | undefined,
  test: (value: number, wanted: number) => boolean,
): boolean {
  return value !== undefined && wanted !== undefined && test(value, wanted)
}

const isNumber = (value: string) => numberOf(value) !== undefined
const isDate = (value: string) => timeOf(value) !== undefined
const eq = (a: number, b: number) => a === b
const lt = (a: number, b: number) => a < b
const le = (a: number, b: number) => a <= b
const gt = (a: number, b: number) => a > b
const ge = (a: number, b: number) => a >= b

function operator(compare: Compare, more: Partial<Operator> = {}): Operator {
  return { compare, isNegated: false, wildcards: false, isValid: always, ...more }
}

const sameArn: Compare = (wanted, value, values) => wanted.matchesArn(value, values)

const ARN = { wildcards: true, isValid: (value: string) => value === '*' || value.split(':').length >= 6 }

const OPERATORS: ReadonlyMap<string, Operator> = new Map([
  ['StringEquals', operator(same)],
  ['StringNotEquals', operator(same, { isNegated: true })],
  ['StringEqualsIgnoreCase', operator(sameIgnoringCase)],
  ['StringNotEqualsIgnoreCase', operator(sameIgnoringCase, { isNegated: true })],
  ['StringLike', operator(same, { wildcards: true })],
  ['StringNotLike', operator(same, { wildcards: true, isNegated: true })],
  ['NumericEquals', operator(numeric(eq), { isValid: isNumber })],
  ['NumericNotEquals', operator(numeric(eq), { isValid: isNumber, isNegated: true })],
  ['NumericLessThan', operator(numeric(lt), { isValid: isNumber })],
  ['NumericLessThanEquals', operator(numeric(le), { isValid: isNumber })],
  ['NumericGreaterThan', operator(numeric(gt), { isValid: isNumber })],
  ['NumericGreaterThanEquals', operator(numeric(ge), { isValid: isNumber })],
  ['DateEquals', operator(dated(eq), { isValid: isDate })],
  ['DateNotEquals', operator(dated(eq), { isValid: isDate, isNegated: true })],
  ['DateLessThan', operator(dated(lt), { isValid: isDate })],
  ['DateLessThanEquals', operator(dated(le), { isValid: isDate })],
  ['DateGreaterThan', operator(dated(gt), { isValid: isDate })],
  ['DateGreaterThanEquals', operator(dated(ge), { isValid: isDate })],
  ['Bool', operator(sameIgnoringCase, { isValid: (value) => /^(true|false)$/i.test(value) })],
  ['BinaryEquals', operator(same)],
  ['IpAddress', operator(inNetwork, { isValid: isNetwork })],
  ['NotIpAddress', operator(inNetwork, { isValid: isNetwork, isNegated: true })],
  ['ArnEquals', operator(sameArn, ARN)],
  ['ArnNotEquals', operator(sameArn, { ...ARN, isNegated: true })],
  ['ArnLike', operator(sameArn, ARN)],
  ['ArnNotLike', operator(sameArn, { ...ARN, isNegated: true })],
])

/** Undefined: no operator of the language, or a value that it can't compare with. */
export function parseCondition(operatorText: string, key: string, texts: readonly string[]): Condition | undefined {
  const [, quantifierText, name = '', exists] =
    /^(?:(ForAllValues|ForAnyValue):)?([A-Za-z]+?)(IfExists)?$/.exec(operatorText) ?? []
  const known = name === 'Null' ? 'Null' : OPERATORS.get(name)
  if (known === undefined || (known === 'Null' && exists !== undefined)) return undefined
  const isValid = known === 'Null' ? (value: string) => /^(true|false)$/i.test(value) : known.isValid
  if (!texts.every((text) => text.includes('${') || isValid(text))) return undefined
  const wildcards = known !== 'Null' && known.wildcards
  return {
    key: key.toLowerCase(),
    values: texts.map((text) => new Pattern(text, { wildcards, variables: true })),
    operator: known,
    ifExists: exists !== undefined,
    quantifier: quantifierText === undefined ? undefined : quantifierText === 'ForAllValues' ? 'all' : 'any',
  }
}

/** Whether a request fits one line of a Condition block. */
export function isMet(condition: Condition, request: ContextValues): boolean {
  const { key, values, operator: known, ifExists, quantifier } = condition
  const found = request(key)
  if (known === 'Null') {
    const isMissing = found === undefined || found.length === 0
    return values.some(({ text }) => (text.toLowerCase() === 'true') === isMissing)
  }
  if (found === undefined || found.length === 0) {
    if (quantifier !== undefined) return quantifier === 'all' || ifExists
    return ifExists || known.isNegated
  }
  const mustAllFit = quantifier === 'all' || (quantifier === undefined && known.isNegated)
  // A loop, as this is asked of each request.
  for (const value of found) {
    if (fitsAny(values, value, known.compare, request) === known.isNegated) {
      if (mustAllFit) return false
    } else if (!mustAllFit) return true
  }
  return mustAllFit
}

function fitsAny(wanted: readonly Pattern[], value: string, compare: Compare, request: ContextValues): boolean {
  for (const one of wanted) if (compare(one, value, request)) return true
  return false
}

/** What holds a request to the values of a policy; a number or a date that is larger is no fixed value. */
const FIXING: ReadonlySet<Compare> = new Set([same, sameIgnoringCase, sameArn])

/**
 * Whether the condition holds the request to something: one value or network, not all of them. A request that has no value, as those of nobody in
 * particular, meets IfExists and ForAllValues.
 */
export function narrows({ key, values, operator: known, ifExists, quantifier }: Condition): boolean {
  if (known === 'Null' || known.isNegated || ifExists || quantifier === 'all') return false
  if (key === 'aws:sourceip' && known.compare === inNetwork) return values.every(({ text }) => isNarrowNetwork(text))
  return (
    (NARROWING_KEYS.has(key) || key === 'aws:sourceip') &&
    FIXING.has(known.compare) &&
    values.every((value) => !/[*?]|\$\{/.test(value.text))
  )
}

/** S3 User Guide, "The meaning of public": keys that make a statement not public when they have fixed values. */
const NARROWING_KEYS: ReadonlySet<string> = new Set([
  'aws:principalarn',
  'aws:principalaccount',
  'aws:principalorgid',
  'aws:sourcearn',
  'aws:sourceaccount',
  'aws:sourceowner',
  'aws:sourcevpc',
  'aws:sourcevpce',
  'aws:userid',
  's3:dataaccesspointaccount',
  's3:dataaccesspointarn',
])

const BITS_MIN = { ipv4: 8, ipv6: 32 }
/** RFC 4291, section 2.5.5.2: all of IPv4 within IPv6. */
const MAPPED_BITS = 96
const mapped = new BlockList()
mapped.addSubnet('::ffff:0:0', MAPPED_BITS, 'ipv6')

function isNarrowNetwork(text: string): boolean {
  const [address = '', bits] = text.split('/')
  const network = networkOf(text)
  if (network === undefined) return false
  if (bits === undefined) return true
  if (isIP(address) === 4) return Number(bits) >= BITS_MIN.ipv4
  if (mapped.check(address, 'ipv6')) return Number(bits) >= MAPPED_BITS + BITS_MIN.ipv4
  return Number(bits) >= BITS_MIN.ipv6 && !network.check('0.0.0.0', 'ipv4')
}

function numberOf(text: string | undefined): number | undefined {
  return text !== undefined && /^[+-]?\d{1,30}(\.\d{1,30})?$/.test(text) ? Number(text) : undefined
}

const ISO_DATE = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?$/

/** Milliseconds since 1970, of a date in ISO 8601 or of seconds since 1970. */
function timeOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (/^\d{1,12}$/.test(text)) return Number(text) * 1000
  const ms = ISO_DATE.test(text) ? Date.parse(text) : Number.NaN
  return Number.isNaN(ms) ? undefined : ms
}

let lastTime: { readonly text: string; readonly time: number | undefined } = { text: '', time: undefined }

/** Of a request: it is mostly that of the one before. */
function timeNow(text: string): number | undefined {
  if (text !== lastTime.text) lastTime = { text, time: timeOf(text) }
  return lastTime.time
}

function inNetwork(wanted: Pattern, value: string, values: ContextValues): boolean {
  const last = lastAddresses.get(wanted)
  if (last?.value === value) return last.isIn
  const text = wanted.resolve(values) ?? ''
  const asked = `${text} ${value}`
  const isIn = addressesKnown.get(asked) ?? isInNetwork(text, value)
  if (addressesKnown.size >= ADDRESSES_KNOWN_MAX) addressesKnown.clear()
  addressesKnown.set(asked, isIn)
  if (wanted.isLiteral) lastAddresses.set(wanted, { value, isIn })
  return isIn
}

/** Whether addresses are in networks: a client makes many requests from one, and the last is found without a search. */
const addressesKnown = new Map<string, boolean>()
const ADDRESSES_KNOWN_MAX = 10_000
const lastAddresses = new WeakMap<Pattern, { readonly value: string; readonly isIn: boolean }>()

function isInNetwork(text: string, value: string): boolean {
  const network = networkOf(text)
  const address = value.replace(/^::ffff:(?=\d+\.)/i, '')
  const family = isIP(address)
  return network !== undefined && family !== 0 && network.check(address, family === 4 ? 'ipv4' : 'ipv6')
}

function isNetwork(text: string): boolean {
  return networkOf(text) !== undefined
}

const networks = new Map<string, BlockList | undefined>()
const NETWORKS_MAX = 1_000

function networkOf(text: string): BlockList | undefined {
  if (networks.has(text)) return networks.get(text)
  const network = newNetwork(text)
  if (networks.size >= NETWORKS_MAX) networks.clear()
  networks.set(text, network)
  return network
}

function newNetwork(text: string): BlockList | undefined {
  const [address = '', bits, ...rest] = text.split('/')
  const family = isIP(address)
  const most = family === 4 ? 32 : 128
  const isSane = family !== 0 && rest.length === 0 && (bits === undefined || /^\d{1,3}$/.test(bits))
  const prefix = bits === undefined ? most : Number(bits)
  if (!isSane || prefix > most) return undefined
  const network = new BlockList()
  network.addSubnet(address, prefix, family === 4 ? 'ipv4' : 'ipv6')
  return network
}
