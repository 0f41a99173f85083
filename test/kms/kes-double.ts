import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { IssuedFiles } from './certificate-authority.ts'
import { answerWith, type CloudAnswer, type Misbehaviour } from './cloud-double.ts'

/** Names and list patterns, as KES documents them. */
const NAME = /^(?!_$)(?=.{1,80}$)\w(?:[\w-]*\w)?$/
const PATTERN = /^(?:\*|(?!_$)(?=.{1,80}$)\w(?:[\w-]*\w)?\*?)$/
const NONCE_BYTES = 12
const TAG_BYTES = 16

interface StoredKey {
  readonly bytes: Buffer
  readonly createdAt: string
  readonly createdBy: string
}

/**
 * What stands in for MinIO KES, whose program cannot be installed where the tests run: its HTTP API over mutual TLS as
 * the KES documentation describes it, with identities, policies, the form of its errors and the limits of its names and
 * lists. Its ciphertexts have a form of their own: KES's are opaque to clients too.
 */
export class KesDouble {
  /** What each identity may do: path patterns that may end with `*`. */
  readonly policies = new Map<string, readonly string[]>()
  readonly keys = new Map<string, StoredKey>()
  /** Where a list of names is cut; KES cuts at 1,024. */
  listMax = 1024
  isKeyStoreReachable = true
  misbehave: (() => Misbehaviour | undefined) | undefined
  readonly #server

  private constructor(files: IssuedFiles) {
    const [cert, key] = [readFileSync(files.certFile), readFileSync(files.keyFile)]
    // As KES's default `tls.auth: off`: any certificate, whoever signed it; the identity is what counts.
    const options = { cert, key, requestCert: true, rejectUnauthorized: false }
    this.#server = createServer(options, async (request, response) => {
      answerWith(response, this.misbehave?.() ?? (await this.#answer(request)))
    })
  }

  static async start(files: IssuedFiles): Promise<KesDouble> {
    const double = new KesDouble(files)
    await new Promise<void>((resolve) => double.#server.listen(0, '127.0.0.1', resolve))
    return double
  }

  get address(): string {
    return `https://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  async #answer(request: IncomingMessage): Promise<CloudAnswer> {
    const identity = identityOf(request.socket as TLSSocket)
    if (identity === undefined) return refusal(400, 'tls: client certificate is required')
    const path = request.url ?? ''
    const isAllowed = this.policies.get(identity)?.some((pattern) => matches(pattern, path)) === true
    if (!isAllowed) return refusal(403, 'not authorized: insufficient permissions')
    if (path === '/v1/status') return this.#status()
    const [, action = '', name = ''] = /^\/v1\/key\/([a-z]+)\/(.*)$/.exec(path) ?? []
    if (request.method !== (action === 'describe' || action === 'list' ? 'GET' : 'POST')) return refusal(405, 'method')
    if (action === 'list') return this.#list(name)
    if (!NAME.test(name)) return refusal(400, `key name '${name}' is empty, too long or contains invalid characters`)
    if (action === 'create') return this.#create(name, identity)
    const key = this.keys.get(name)
    if (key === undefined) return refusal(404, 'key does not exist')
    if (action === 'describe') return describe(name, key)
    const body = await bodyOf(request)
    return body === undefined ? refusal(400, 'invalid request body') : use(action, key, body)
  }

  #status(): CloudAnswer {
    const body = { version: 'double', uptime: 1, ...(!this.isKeyStoreReachable && { keystore_unreachable: true }) }
    return { status: 200, body }
  }

  #create(name: string, createdBy: string): CloudAnswer {
    if (this.keys.has(name)) return refusal(400, 'key already exists')
    this.keys.set(name, { bytes: randomBytes(32), createdAt: new Date().toISOString(), createdBy })
    return { status: 200 }
  }

  #list(pattern: string): CloudAnswer {
    if (!PATTERN.test(pattern)) return refusal(400, `listing pattern '${pattern}' is empty, too long or is invalid`)
    const names = [...this.keys.keys()].sort().filter((name) => pattern === '*' || name.startsWith(pattern))
    const next = names[this.listMax]
    return { status: 200, body: { names: names.slice(0, this.listMax), ...(next && { continue_at: next }) } }
  }
}

/** What KES calls an identity: SHA-256 of the public key of the client's certificate. */
function identityOf(socket: TLSSocket): string | undefined {
  const spki = socket.getPeerX509Certificate()?.publicKey.export({ format: 'der', type: 'spki' })
  return spki && createHash('sha256').update(spki).digest('hex')
}

function use(action: string, { bytes }: StoredKey, body: Record<string, string>): CloudAnswer {
  const context = Buffer.from(body.context ?? '', 'base64')
  if (action === 'decrypt') {
    const plaintext = open(bytes, Buffer.from(body.ciphertext ?? '', 'base64'), context)
    if (plaintext === undefined) return refusal(400, 'decryption failed: ciphertext is not authentic')
    return { status: 200, body: { plaintext: plaintext.toString('base64') } }
  }
  if (action === 'encrypt') {
    const ciphertext = seal(bytes, Buffer.from(body.plaintext ?? '', 'base64'), context)
    return { status: 200, body: { ciphertext: ciphertext.toString('base64') } }
  }
  if (action !== 'generate') return refusal(404, '404 page not found')
  const plaintext = randomBytes(32)
  const ciphertext = seal(bytes, plaintext, context)
  return { status: 200, body: { plaintext: plaintext.toString('base64'), ciphertext: ciphertext.toString('base64') } }
}

function seal(key: Buffer, plaintext: Buffer, context: Buffer): Buffer {
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(context)
  return Buffer.concat([nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
}

function open(key: Buffer, ciphertext: Buffer, context: Buffer): Buffer | undefined {
  if (ciphertext.length < NONCE_BYTES + TAG_BYTES) return undefined
  const decipher = createDecipheriv('aes-256-gcm', key, ciphertext.subarray(0, NONCE_BYTES)).setAAD(context)
  decipher.setAuthTag(ciphertext.subarray(-TAG_BYTES))
  try {
    return Buffer.concat([decipher.update(ciphertext.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()])
  } catch {
    return undefined
  }
}

function describe(name: string, { createdAt, createdBy }: StoredKey): CloudAnswer {
  return { status: 200, body: { name, algorithm: 'AES256', created_at: createdAt, created_by: createdBy } }
}

function refusal(status: number, message: string): CloudAnswer {
  return { status, body: { message } }
}

function matches(pattern: string, path: string): boolean {
  return pattern.endsWith('*') ? path.startsWith(pattern.slice(0, -1)) : path === pattern
}

async function bodyOf(request: IncomingMessage): Promise<Record<string, string> | undefined> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  try {
    return JSON.parse(Buffer.concat(chunks).toString())
  } catch {
    return undefined
  }
}
