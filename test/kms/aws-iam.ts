import { readFileSync } from 'node:fs'
import { type RequestListener, request } from 'node:http'
import { join } from 'node:path'

/** The policy of docs/kms/aws.md, as far as moto understands policies: it knows neither resources nor conditions. */
export function documentedPolicy(): string {
  const page = readFileSync(join(import.meta.dirname, '../../docs/kms/aws.md'), 'utf8')
  const [, json = ''] = /```json\n(\{\n {2}"Version"[\s\S]*?)```/.exec(page) ?? []
  const policy = JSON.parse(json) as { Statement: { Effect: string; Action: string | string[] }[] }
  const Statement = policy.Statement.map(({ Effect, Action }) => ({ Effect, Action, Resource: '*' }))
  return JSON.stringify({ ...policy, Statement })
}

export interface AccessKey {
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

/** IAM of a moto server, which takes whatever is asked for until `enforce`; from then on it checks signatures and policies. */
export class MotoIam {
  readonly #endpoint: string

  constructor(endpoint: string) {
    this.#endpoint = endpoint
  }

  async createUser(name: string, policy: string): Promise<AccessKey> {
    await this.#call({ Action: 'CreateUser', UserName: name })
    await this.#call({ Action: 'PutUserPolicy', UserName: name, PolicyName: 'p', PolicyDocument: policy })
    const answer = await this.#call({ Action: 'CreateAccessKey', UserName: name })
    const field = (tag: string) => new RegExp(`<${tag}>([^<]+)</${tag}>`).exec(answer)?.[1] ?? ''
    return { accessKeyId: field('AccessKeyId'), secretAccessKey: field('SecretAccessKey') }
  }

  /** One that a web identity may take. */
  async createRole(name: string, policy: string): Promise<string> {
    const Statement = [{ Effect: 'Allow', Principal: '*', Action: 'sts:AssumeRoleWithWebIdentity' }]
    const AssumeRolePolicyDocument = JSON.stringify({ Version: '2012-10-17', Statement })
    const answer = await this.#call({ Action: 'CreateRole', RoleName: name, AssumeRolePolicyDocument })
    await this.#call({ Action: 'PutRolePolicy', RoleName: name, PolicyName: 'p', PolicyDocument: policy })
    return /<Arn>([^<]+)<\/Arn>/.exec(answer)?.[1] ?? ''
  }

  /** Credentials of a role for a while, in the form that containers are given. */
  async sessionOf(roleArn: string): Promise<Record<string, string>> {
    await this.enforce(1)
    const parameters = { RoleArn: roleArn, RoleSessionName: 'test', WebIdentityToken: 'a.jwt', Version: '2011-06-15' }
    const answer = await this.#call({ Action: 'AssumeRoleWithWebIdentity', ...parameters }, 'sts')
    const field = (tag: string) => new RegExp(`<${tag}>([^<]+)</${tag}>`).exec(answer)?.[1] ?? ''
    const [AccessKeyId, SecretAccessKey] = [field('AccessKeyId'), field('SecretAccessKey')]
    return { AccessKeyId, SecretAccessKey, Token: field('SessionToken'), Expiration: field('Expiration') }
  }

  /** After so many more calls. */
  async enforce(after = 0): Promise<void> {
    const { ok } = await fetch(`${this.#endpoint}/moto-api/reset-auth`, { method: 'POST', body: String(after) })
    if (!ok) throw new Error('moto does not check credentials')
  }

  async #call(parameters: Record<string, string>, service = 'iam'): Promise<string> {
    const scope = `Credential=AKIAIOSFODNN7EXAMPLE/20260101/us-east-1/${service}/aws4_request`
    const response = await fetch(this.#endpoint, {
      method: 'POST',
      headers: { authorization: `AWS4-HMAC-SHA256 ${scope}, SignedHeaders=host, Signature=0` },
      body: new URLSearchParams({ Version: '2010-05-08', ...parameters }),
    })
    if (!response.ok) throw new Error(`IAM of moto: ${response.status}`)
    return response.text()
  }
}

/** What KMS says where IAM says that (KMS API Reference, "Common Error Types"). */
const KMS_NAMES: Readonly<Record<string, string>> = {
  InvalidClientTokenId: 'UnrecognizedClientException',
  SignatureDoesNotMatch: 'InvalidSignatureException',
  AccessDenied: 'AccessDeniedException',
}

/** In front of moto, which refuses credentials in IAM's XML for KMS too: the same refusals in the JSON that KMS uses. */
export function inKmsWords(endpoint: string): RequestListener {
  return (incoming, response) => {
    const { method = 'POST', url: path = '/', headers } = incoming
    const forwarded = request(`${endpoint}${path}`, { method, headers }, async (answer) => {
      const chunks: Buffer[] = []
      for await (const chunk of answer) chunks.push(chunk as Buffer)
      const text = Buffer.concat(chunks).toString()
      const code = /<Code>(\w+)<\/Code>/.exec(text)?.[1] ?? ''
      const body = answer.statusCode === 403 ? JSON.stringify({ __type: KMS_NAMES[code], message: text }) : text
      response.writeHead(answer.statusCode ?? 500, { 'content-type': 'application/x-amz-json-1.1' }).end(body)
    })
    incoming.pipe(forwarded)
  }
}
