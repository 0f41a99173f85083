import { type RawResponse, type RawSigning, send, sendSigned } from '../harness/raw-request.ts'
import type { ClientTarget } from '../harness/s3.ts'
import type { SigningKeys } from '../harness/sigv4-client.ts'

export interface QueryAnswer {
  readonly status: number
  /** `<Code>` of an error; '' where it is none. */
  readonly code: string
  readonly body: string
  /** The text of the first element of this name; '' where there is none. */
  text(name: string): string
  /** Of all. */
  texts(name: string): string[]
}

/** A request to the IAM API, signed for the service `iam` unless told otherwise. */
export async function callIam(
  target: ClientTarget,
  action: string,
  parameters: Readonly<Record<string, string>> = {},
  signing: RawSigning = {},
  sessionToken?: string,
): Promise<QueryAnswer> {
  const form = new URLSearchParams({ Action: action, Version: '2010-05-08', ...parameters })
  const headers = headersWith(sessionToken)
  const raw = { method: 'POST', path: '/', headers, body: form.toString() }
  return answerOf(await sendSigned(target, raw, { service: 'iam', ...signing }))
}

/** A request to STS; `keys: 'none'`: without a signature. */
export async function callSts(
  target: ClientTarget,
  action: string,
  parameters: Readonly<Record<string, string>> = {},
  keys?: SessionKeys | 'none',
): Promise<QueryAnswer> {
  const form = new URLSearchParams({ Action: action, Version: '2011-06-15', ...parameters })
  const headers = headersWith(keys === 'none' ? undefined : keys?.sessionToken)
  const raw = { method: 'POST', path: '/', headers, body: form.toString() }
  const sent = keys === 'none' ? send(target, raw) : sendSigned(target, raw, { service: 'sts', ...(keys && { keys }) })
  return answerOf(await sent)
}

function headersWith(sessionToken: string | undefined): Record<string, string> {
  return {
    'content-type': 'application/x-www-form-urlencoded; charset=utf-8',
    ...(sessionToken !== undefined && { 'x-amz-security-token': sessionToken }),
  }
}

export interface SessionKeys extends SigningKeys {
  readonly sessionToken?: string
}

/** The credentials in an answer of STS. */
export function sessionIn(answer: QueryAnswer): Required<SessionKeys> {
  if (answer.status !== 200) throw new Error(`${answer.status} ${answer.body}`)
  return {
    accessKeyId: answer.text('AccessKeyId'),
    secretAccessKey: answer.text('SecretAccessKey'),
    sessionToken: answer.text('SessionToken'),
  }
}

function answerOf({ status, code, body }: RawResponse): QueryAnswer {
  const text = body.toString()
  const texts = (name: string) =>
    [...text.matchAll(new RegExp(`<${name}>([^<]*)</${name}>`, 'g'))].map(([, found = '']) => found)
  return { status, code, body: text, texts, text: (name) => texts(name)[0] ?? '' }
}

/** As `callIam`, of which success is expected. */
export async function iam(
  target: ClientTarget,
  action: string,
  parameters: Readonly<Record<string, string>> = {},
  keys?: SigningKeys,
): Promise<QueryAnswer> {
  const answer = await callIam(target, action, parameters, keys && { keys })
  if (answer.status !== 200) throw new Error(`${action}: ${answer.status} ${answer.body}`)
  return answer
}

/** A user and an access key of it. */
export async function newUser(target: ClientTarget, name: string): Promise<SigningKeys> {
  await iam(target, 'CreateUser', { UserName: name })
  return newKey(target, name)
}

export async function newKey(target: ClientTarget, name: string): Promise<SigningKeys> {
  const made = await iam(target, 'CreateAccessKey', { UserName: name })
  return { accessKeyId: made.text('AccessKeyId'), secretAccessKey: made.text('SecretAccessKey') }
}

export function policy(...statements: object[]): string {
  return JSON.stringify({ Version: '2012-10-17', Statement: statements })
}
