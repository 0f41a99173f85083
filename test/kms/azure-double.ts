import { constants, createECDH, generateKeyPairSync, type KeyObject, privateDecrypt, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { IssuedFiles } from './certificate-authority.ts'
import { type CloudAnswer, type CloudRequest, CloudServer, gcmOpen, gcmSeal } from './cloud-double.ts'

const RSA_PAIRS = 3

interface Version {
  readonly version: string
  readonly kty: string
  readonly aes?: Buffer
  readonly privateKey?: KeyObject
  readonly publicKey?: KeyObject
  enabled: boolean
}

/**
 * What stands in for Azure Key Vault and Managed HSM: the REST API of keys (7.4) as its reference describes it, and Microsoft
 * Entra's token endpoint with its discovery document. RSA, EC and AES are Node's.
 */
export class AzureDouble {
  readonly server: CloudServer
  readonly keys = new Map<string, Version[]>()
  readonly tenantId = '11111111-2222-3333-4444-555555555555'
  readonly clientId = '66666666-7777-8888-9999-000000000000'
  readonly secret = 'entra-secret-that-nobody-may-see'
  /** Assertions and resources that tokens were asked with. */
  readonly asked: Record<string, unknown>[] = []
  readonly #tokens = new Set<string>()
  /** Making RSA keys takes long: a few, made beforehand, go round. */
  readonly #pairs = Array.from({ length: RSA_PAIRS }, () => generateKeyPairSync('rsa', { modulusLength: 3072 }))
  #made = 0

  constructor(files: IssuedFiles) {
    const [cert, key] = [readFileSync(files.certFile), readFileSync(files.keyFile)]
    this.server = new CloudServer(
      'https',
      (listener) => createServer({ cert, key }, listener),
      (request) => this.#answer(request),
    )
  }

  /** The assertion that a client signs for itself, or a token of another issuer, is taken as it comes. */
  readonly assertions = new Set<string>()

  #answer(request: CloudRequest): CloudAnswer {
    const { path, method, authorization } = request
    const authority = `${this.server.address}/${this.tenantId}`
    if (path === `/${this.tenantId}/v2.0/.well-known/openid-configuration`) {
      return {
        status: 200,
        body: {
          token_endpoint: `${authority}/oauth2/v2.0/token`,
          authorization_endpoint: `${authority}/oauth2/v2.0/authorize`,
          issuer: `${authority}/v2.0`,
          jwks_uri: `${authority}/keys`,
        },
      }
    }
    if (path === `/${this.tenantId}/oauth2/v2.0/token`) return this.#token(request)
    if (!this.#tokens.has(authorization?.replace(/^Bearer /, '') ?? '')) return refusal(401, 'Unauthorized')
    if (request.query.get('api-version') !== '7.4') return refusal(400, 'BadParameter')
    if (path === '/keys' && method === 'GET') return { status: 200, body: { value: [], nextLink: null } }
    const [, name = '', part, operation] =
      /^\/keys\/([0-9a-zA-Z-]{1,127})(?:\/([^/]+))?(?:\/([a-z]+))?$/.exec(path) ?? []
    if (part === 'create' && method === 'POST') return this.#create(name, request.body)
    if (part === undefined && method === 'DELETE') {
      return this.keys.delete(name) ? { status: 200, body: { recoveryId: name } } : refusal(404, 'KeyNotFound')
    }
    const version = this.keys.get(name)?.find((candidate) => candidate.version === part)
    if (version === undefined) return refusal(404, 'KeyNotFound')
    if (method === 'PATCH') {
      version.enabled = (request.body.attributes as { enabled: boolean }).enabled
      return this.#show(name, version)
    }
    return operation === undefined ? this.#show(name, version) : this.#use(name, version, operation, request.body)
  }

  #token({ body }: CloudRequest): CloudAnswer {
    this.asked.push(body)
    const isKnown =
      body.client_id === this.clientId &&
      (body.client_secret === this.secret || this.assertions.has(String(body.client_assertion)) || isSelfSigned(body))
    if (!isKnown) return { status: 401, body: { error: 'invalid_client', error_description: 'AADSTS7000215: no' } }
    const access_token = randomBytes(24).toString('base64url')
    this.#tokens.add(access_token)
    return { status: 200, body: { token_type: 'Bearer', expires_in: 3600, access_token } }
  }

  #create(name: string, { kty, key_size, crv }: CloudRequest['body']): CloudAnswer {
    const version = randomBytes(16).toString('hex')
    const known = { version, kty: String(kty), enabled: true }
    const made =
      kty === 'oct-HSM' && key_size === 256
        ? { ...known, aes: randomBytes(32) }
        : { ...known, ...this.#pair(String(kty).replace('-HSM', ''), crv) }
    this.keys.set(name, [...(this.keys.get(name) ?? []), made])
    return this.#show(name, made)
  }

  #pair(kty: string, crv: unknown) {
    if (kty === 'EC') return generateKeyPairSync('ec', { namedCurve: String(crv) })
    this.#made += 1
    return this.#pairs[this.#made % RSA_PAIRS]
  }

  #show(name: string, { version, kty, publicKey, enabled }: Version): CloudAnswer {
    const jwk = publicKey?.export({ format: 'jwk' })
    const key = { ...jwk, kid: this.#kid(name, version), kty }
    return { status: 200, body: { key, attributes: { enabled, created: 1_700_000_000 } } }
  }

  #use(name: string, version: Version, operation: string, body: CloudRequest['body']): CloudAnswer {
    if (!version.enabled) {
      return { status: 403, body: { error: { code: 'Forbidden', message: 'no', innererror: { code: 'KeyDisabled' } } } }
    }
    const result = work(version, `${operation} ${body.alg}`, body)
    if (result === undefined) return refusal(400, 'BadParameter')
    return { status: 200, body: { kid: this.#kid(name, version.version), ...result } }
  }

  #kid(name: string, version: string): string {
    return `${this.server.address}/keys/${name}/${version}`
  }
}

function work({ aes, privateKey }: Version, what: string, body: CloudRequest['body']): object | undefined {
  const [value, aad] = [bytesOf(body.value), bytesOf(body.aad)]
  if (aes !== undefined && what === 'encrypt A256GCM') {
    const { iv, tag, data } = gcmSeal(aes, value, aad)
    return { value: textOf(data), iv: textOf(iv), tag: textOf(tag) }
  }
  if (aes !== undefined && what === 'decrypt A256GCM') {
    const opened = gcmOpen(aes, { iv: bytesOf(body.iv), tag: bytesOf(body.tag), data: value }, aad)
    return opened && { value: textOf(opened) }
  }
  if (privateKey?.asymmetricKeyType === 'ec' && what === 'sign ES256' && value.length === 32) {
    return { value: textOf(signDigest(value, privateKey)) }
  }
  if (privateKey?.asymmetricKeyType === 'rsa' && what === 'unwrapkey RSA-OAEP-256') {
    try {
      const padding = constants.RSA_PKCS1_OAEP_PADDING
      return { value: textOf(privateDecrypt({ key: privateKey, padding, oaepHash: 'sha256' }, value)) }
    } catch {
      return undefined
    }
  }
  return undefined
}

/** The order of P-256 (FIPS 186-5, SP 800-186, section 3.2.1.3). */
const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n

/** ECDSA of a digest (FIPS 186-5, section 6.4.1): Azure is given digests, and Node signs only messages. */
function signDigest(digest: Buffer, key: KeyObject): Buffer {
  const once = createECDH('prime256v1')
  const x = once.generateKeys().subarray(1, 33)
  const k = numberOf(once.getPrivateKey())
  const d = numberOf(Buffer.from(key.export({ format: 'jwk' }).d ?? '', 'base64url'))
  const r = numberOf(x) % ORDER
  const s = (power(k, ORDER - 2n) * (numberOf(digest) + r * d)) % ORDER
  return Buffer.from(r.toString(16).padStart(64, '0') + s.toString(16).padStart(64, '0'), 'hex')
}

function numberOf(bytes: Buffer): bigint {
  return BigInt(`0x${bytes.toString('hex')}`)
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n
  for (let [square, rest] = [base % ORDER, exponent]; rest > 0n; rest >>= 1n, square = (square * square) % ORDER) {
    if (rest & 1n) result = (result * square) % ORDER
  }
  return result
}

/** A client assertion of two parts and a signature: which certificate signed it is not looked at. */
function isSelfSigned({ client_assertion: assertion }: CloudRequest['body']): boolean {
  const [head = ''] = String(assertion ?? '').split('.')
  try {
    return typeof JSON.parse(Buffer.from(head, 'base64url').toString())['x5t#S256'] === 'string'
  } catch {
    return false
  }
}

function bytesOf(base64: unknown): Buffer {
  return Buffer.from(String(base64 ?? ''), 'base64url')
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64url')
}

function refusal(status: number, code: string): CloudAnswer {
  return { status, body: { error: { code, message: `${code} of the double` } } }
}
