import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import { type CloudAnswer, type CloudRequest, CloudServer, gcmOpen, gcmSeal } from './cloud-double.ts'

const SYMMETRIC = 'GOOGLE_SYMMETRIC_ENCRYPTION'
const KEY_NAME = /^[a-zA-Z0-9_-]{1,63}$/
const IV_AT = 1
const TAG_AT = IV_AT + 12
const DATA_AT = TAG_AT + 16

interface Version {
  state: 'ENABLED' | 'DISABLED' | 'DESTROY_SCHEDULED' | 'PENDING_GENERATION'
  readonly key: Buffer
}

/**
 * What stands in for Google Cloud KMS: its REST API (v1) as its reference describes it for symmetric keys, with the Security Token
 * Service that exchanges tokens for it. Its ciphertexts have a form of their own, as Google's are opaque.
 */
export class GcpDouble {
  readonly server: CloudServer
  readonly keyRing = 'projects/coffer-test/locations/global/keyRings/ring'
  readonly keys = new Map<string, { readonly algorithm: string; readonly versions: Version[] }>()
  /** Subject tokens that are taken. */
  readonly subjects = new Set<string>()
  /** New versions are made in a moment, as an HSM's. */
  generatesLate = false
  tokensIssued = 0
  readonly #tokens = new Set<string>()

  constructor() {
    this.server = new CloudServer('http', createServer, (request) => this.#answer(request))
  }

  version(key: string, number: number): Version {
    const version = this.keys.get(key)?.versions[number - 1]
    if (version === undefined) throw new Error(`no version ${number} of ${key}`)
    return version
  }

  #answer(request: CloudRequest): CloudAnswer {
    if (request.path === '/sts') return this.#exchange(request)
    const token = request.authorization?.replace(/^Bearer /, '') ?? ''
    if (!this.#tokens.has(token)) return refusal(401, 'UNAUTHENTICATED')
    const prefix = `/v1/${this.keyRing}/cryptoKeys`
    if (!request.path.startsWith(prefix)) return refusal(403, 'PERMISSION_DENIED')
    return this.#ofKeys(request.path.slice(prefix.length), request)
  }

  #ofKeys(rest: string, { method, query, body }: CloudRequest): CloudAnswer {
    if (rest === '' && method === 'GET') return { status: 200, body: {} }
    if (rest === '' && method === 'POST') return this.#create(query.get('cryptoKeyId') ?? '', body)
    const [, name = '', , number, operation] =
      /^\/([^/:]+)(\/cryptoKeyVersions(?:\/(\d+))?)?(?::([a-zA-Z]+))?$/.exec(rest) ?? []
    const key = this.keys.get(name)
    if (key === undefined) return refusal(404, 'NOT_FOUND')
    if (number === undefined && operation === 'decrypt') return this.#decrypt(key.versions, body)
    if (number === undefined && rest.endsWith('/cryptoKeyVersions') && method === 'POST') {
      key.versions.push(this.#newVersion())
      return { status: 200, body: this.#show(name, key.versions.length) }
    }
    const version = key.versions[Number(number) - 1]
    if (version === undefined) return refusal(404, 'NOT_FOUND')
    if (operation === undefined && method === 'GET') return { status: 200, body: this.#show(name, Number(number)) }
    if (operation === 'destroy') {
      if (version.state === 'DESTROY_SCHEDULED') return refusal(400, 'FAILED_PRECONDITION')
      version.state = 'DESTROY_SCHEDULED'
      return { status: 200, body: this.#show(name, Number(number)) }
    }
    if (operation === 'encrypt') return this.#encrypt(name, Number(number), version, body)
    return refusal(404, 'NOT_FOUND')
  }

  #create(name: string, body: CloudRequest['body']): CloudAnswer {
    const template = body.versionTemplate as { algorithm?: string } | undefined
    if (!KEY_NAME.test(name) || body.purpose !== 'ENCRYPT_DECRYPT') return refusal(400, 'INVALID_ARGUMENT')
    if (this.keys.has(name)) return refusal(409, 'ALREADY_EXISTS')
    this.keys.set(name, { algorithm: template?.algorithm ?? SYMMETRIC, versions: [this.#newVersion()] })
    const path = `${this.keyRing}/cryptoKeys/${name}`
    return { status: 200, body: { name: path, purpose: 'ENCRYPT_DECRYPT', primary: this.#show(name, 1) } }
  }

  #newVersion(): Version {
    const version: Version = { state: this.generatesLate ? 'PENDING_GENERATION' : 'ENABLED', key: randomBytes(32) }
    if (this.generatesLate) setTimeout(() => (version.state = 'ENABLED'), 300)
    return version
  }

  #show(name: string, number: number): object {
    const { state } = this.version(name, number)
    const algorithm = this.keys.get(name)?.algorithm
    return { name: `${this.keyRing}/cryptoKeys/${name}/cryptoKeyVersions/${number}`, state, algorithm }
  }

  #encrypt(name: string, number: number, { state, key }: Version, body: CloudRequest['body']): CloudAnswer {
    if (state !== 'ENABLED') return refusal(400, 'FAILED_PRECONDITION')
    const { iv, tag, data } = gcmSeal(key, bytesOf(body.plaintext), bytesOf(body.additionalAuthenticatedData))
    const ciphertext = Buffer.concat([Buffer.of(number), iv, tag, data]).toString('base64')
    return {
      status: 200,
      body: { name: `${this.keyRing}/cryptoKeys/${name}/cryptoKeyVersions/${number}`, ciphertext },
    }
  }

  #decrypt(versions: readonly Version[], body: CloudRequest['body']): CloudAnswer {
    const ciphertext = bytesOf(body.ciphertext)
    const version = versions[(ciphertext[0] ?? 0) - 1]
    if (version === undefined) return refusal(400, 'INVALID_ARGUMENT')
    if (version.state !== 'ENABLED') return refusal(400, 'FAILED_PRECONDITION')
    const parts = {
      iv: ciphertext.subarray(IV_AT, TAG_AT),
      tag: ciphertext.subarray(TAG_AT, DATA_AT),
      data: ciphertext.subarray(DATA_AT),
    }
    const plaintext = gcmOpen(version.key, parts, bytesOf(body.additionalAuthenticatedData))
    if (plaintext === undefined) return refusal(400, 'INVALID_ARGUMENT')
    return { status: 200, body: { plaintext: plaintext.toString('base64') } }
  }

  /** RFC 8693. */
  #exchange({ body }: CloudRequest): CloudAnswer {
    const isKnown = this.subjects.has(String(body.subject_token))
    if (!isKnown) return { status: 400, body: { error: 'invalid_grant', error_description: 'not a token of ours' } }
    const token = randomBytes(24).toString('base64url')
    this.#tokens.add(token)
    this.tokensIssued += 1
    return {
      status: 200,
      body: {
        access_token: token,
        issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
        token_type: 'Bearer',
        expires_in: 3600,
      },
    }
  }
}

function bytesOf(base64: unknown): Buffer {
  return Buffer.from(String(base64 ?? ''), 'base64')
}

function refusal(code: number, status: string): CloudAnswer {
  return { status: code, body: { error: { code, status, message: `${status} of the double` } } }
}
