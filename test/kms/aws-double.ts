import { createCipheriv, createDecipheriv, randomBytes, randomUUID } from 'node:crypto'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

const DAY_SECONDS = 24 * 3600
const ID_BYTES = 36
const IV_BYTES = 12
const TAG_BYTES = 16

interface Material {
  readonly id: string
  readonly key: Buffer
  readonly rotatedAt?: number
}

interface DoubleKey {
  readonly id: string
  readonly createdAt: number
  readonly spec: string
  state: string
  deletionAt?: number
  materials: Material[]
  rotatingSince?: number
}

type Input = Readonly<Record<string, unknown>>

class Refusal extends Error {}

/**
 * A double of AWS KMS, after its API reference, for what moto lacks: it names the material of each answer, refuses keys that
 * are disabled, takes its time to rotate and refuses another rotation meanwhile, pages, and can be told to fail.
 */
export class AwsDouble {
  readonly keys = new Map<string, DoubleKey>()
  readonly aliases = new Map<string, string>()
  /** Every action that was asked for. */
  readonly actions: string[] = []
  rotationMs = 0
  pageSize = 2
  /** Before anything else: an answer in the place of the double's own. */
  intercept: ((action: string, input: Input) => { status: number; body: string } | undefined) | undefined

  /** Waited for before each answer. */
  hold: ((action: string) => Promise<void>) | undefined

  readonly listener: RequestListener = async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const action = String(request.headers['x-amz-target']).replace('TrentService.', '')
    await this.hold?.(action)
    const { status, body } = this.#answer(action, JSON.parse(Buffer.concat(chunks).toString() || '{}'))
    response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' }).end(body)
  }

  #answer(action: string, input: Input): { status: number; body: string } {
    this.actions.push(action)
    const intercepted = this.intercept?.(action, input)
    if (intercepted !== undefined) return intercepted
    try {
      return { status: 200, body: JSON.stringify(this.#act(action, input)) }
    } catch (error) {
      if (error instanceof Refusal) return { status: 400, body: JSON.stringify({ __type: error.message }) }
      return { status: 500, body: JSON.stringify({ __type: 'KMSInternalException' }) }
    }
  }

  /** As AWS does by itself once a year. */
  rotate(key: DoubleKey): void {
    const last = key.materials.at(-1)?.rotatedAt ?? 0
    key.materials.push({ ...newMaterial(), rotatedAt: Math.max(Date.now() / 1000, last + 0.001) })
  }

  #act(action: string, input: Input): unknown {
    switch (action) {
      case 'CreateKey':
        return { KeyMetadata: metadataOf(this.#create(String(input.KeySpec))) }
      case 'CreateAlias':
        return this.#createAlias(String(input.AliasName), String(input.TargetKeyId))
      case 'ListAliases':
        return this.#page(input, 'Aliases', [
          { AliasName: 'alias/aws/s3' },
          ...[...this.aliases].map(([AliasName, TargetKeyId]) => ({ AliasName, TargetKeyId })),
        ])
      case 'DescribeKey':
        return { KeyMetadata: metadataOf(this.find(input.KeyId)) }
      case 'ListKeyRotations':
        return this.#page(input, 'Rotations', rotationsOf(this.#byId(input.KeyId)))
      case 'RotateKeyOnDemand':
        return this.#rotateOnDemand(this.#byId(input.KeyId))
      case 'GetKeyRotationStatus':
        return { OnDemandRotationStartDate: this.#byId(input.KeyId).rotatingSince }
      case 'GenerateDataKey': {
        const plaintext = randomBytes(Number(input.NumberOfBytes))
        const sealed = seal(usable(this.find(input.KeyId)), plaintext, input.EncryptionContext)
        const { CiphertextBlob, material } = sealed
        return { CiphertextBlob, Plaintext: plaintext.toString('base64'), KeyMaterialId: material }
      }
      case 'Encrypt': {
        const plaintext = Buffer.from(String(input.Plaintext), 'base64')
        const { CiphertextBlob } = seal(usable(this.find(input.KeyId)), plaintext, input.EncryptionContext)
        return { CiphertextBlob }
      }
      case 'Decrypt': {
        const { plaintext, material } = open(
          usable(this.find(input.KeyId)),
          input.CiphertextBlob,
          input.EncryptionContext,
        )
        return { Plaintext: plaintext.toString('base64'), KeyMaterialId: material }
      }
      case 'ReEncrypt': {
        const [source, target] = [usable(this.find(input.SourceKeyId)), usable(this.find(input.DestinationKeyId))]
        const opened = open(source, input.CiphertextBlob, input.SourceEncryptionContext)
        const { CiphertextBlob, material } = seal(target, opened.plaintext, input.DestinationEncryptionContext)
        return { CiphertextBlob, SourceKeyMaterialId: opened.material, DestinationKeyMaterialId: material }
      }
      default:
        return this.#changeState(action, this.#byId(input.KeyId), Number(input.PendingWindowInDays))
    }
  }

  #create(spec: string): DoubleKey {
    const key = { id: randomUUID(), createdAt: Date.now() / 1000, spec, state: 'Enabled', materials: [newMaterial()] }
    this.keys.set(key.id, key)
    return key
  }

  #createAlias(name: string, id: string): object {
    if (this.aliases.has(name)) throw new Refusal('AlreadyExistsException')
    this.aliases.set(name, this.#byId(id).id)
    return {}
  }

  #rotateOnDemand(key: DoubleKey): object {
    usable(key)
    if (key.rotatingSince !== undefined) throw new Refusal('ConflictException')
    key.rotatingSince = Date.now() / 1000
    const finish = () => {
      this.rotate(key)
      delete key.rotatingSince
    }
    setTimeout(finish, this.rotationMs).unref()
    return { KeyId: key.id }
  }

  #changeState(action: string, key: DoubleKey, days: number): object {
    const isPending = key.state === 'PendingDeletion'
    if (isPending !== (action === 'CancelKeyDeletion')) throw new Refusal('KMSInvalidStateException')
    if (action === 'EnableKey') key.state = 'Enabled'
    else if (action === 'ScheduleKeyDeletion') {
      key.state = 'PendingDeletion'
      key.deletionAt = Date.now() / 1000 + days * DAY_SECONDS
      return { DeletionDate: key.deletionAt }
    } else key.state = 'Disabled'
    return {}
  }

  /** Also by its alias, which only some actions take. */
  find(keyId: unknown): DoubleKey {
    return this.#byId(this.aliases.get(String(keyId)) ?? keyId)
  }

  #byId(keyId: unknown): DoubleKey {
    const key = this.keys.get(String(keyId))
    if (key === undefined) throw new Refusal('NotFoundException')
    return key
  }

  #page(input: Input, name: string, all: readonly object[]): object {
    const start = Number(input.Marker ?? 0)
    const end = start + this.pageSize
    const rest = end < all.length ? { Truncated: true, NextMarker: String(end) } : { Truncated: false }
    return { [name]: all.slice(start, end), ...rest }
  }
}

/** On loopback, until `stop`. */
export async function serve(listener: RequestListener): Promise<{ endpoint: string; stop(): void }> {
  const server: Server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop() {
      server.closeAllConnections()
      server.close()
    },
  }
}

function newMaterial(): Material {
  return { id: randomBytes(32).toString('hex'), key: randomBytes(32) }
}

function usable(key: DoubleKey): DoubleKey {
  if (key.state === 'Disabled') throw new Refusal('DisabledException')
  if (key.state !== 'Enabled') throw new Refusal('KMSInvalidStateException')
  return key
}

function metadataOf({ id, createdAt, spec, state, deletionAt, materials }: DoubleKey): object {
  return {
    KeyId: id,
    Arn: `arn:aws:kms:eu-central-1:123456789012:key/${id}`,
    CreationDate: createdAt,
    KeySpec: spec,
    KeyUsage: spec === 'SYMMETRIC_DEFAULT' ? 'ENCRYPT_DECRYPT' : 'SIGN_VERIFY',
    KeyState: state,
    ...(state === 'PendingDeletion' && { DeletionDate: deletionAt }),
    CurrentKeyMaterialId: materials.at(-1)?.id,
  }
}

/** The newest first: AWS promises no order. */
function rotationsOf({ materials }: DoubleKey): object[] {
  return materials.map(({ id, rotatedAt }) => ({ KeyMaterialId: id, RotationDate: rotatedAt })).reverse()
}

function additionalData(context: unknown): Buffer {
  const pairs = Object.entries((context ?? {}) as Record<string, string>)
  return Buffer.from(JSON.stringify(pairs.sort(([a], [b]) => (a < b ? -1 : 1))))
}

function seal(key: DoubleKey, plaintext: Buffer, context: unknown): { CiphertextBlob: string; material: string } {
  const material = key.materials.at(-1) ?? newMaterial()
  const iv = randomBytes(IV_BYTES)
  const cipher = createCipheriv('aes-256-gcm', material.key, iv).setAAD(additionalData(context))
  const sealed = Buffer.concat([cipher.update(plaintext), cipher.final()])
  const header = Buffer.from([key.materials.indexOf(material)])
  const blob = Buffer.concat([Buffer.from(key.id), header, iv, cipher.getAuthTag(), sealed])
  return { CiphertextBlob: blob.toString('base64'), material: material.id }
}

function open(key: DoubleKey, blob: unknown, context: unknown): { plaintext: Buffer; material: string } {
  const bytes = Buffer.from(String(blob), 'base64')
  if (bytes.subarray(0, ID_BYTES).toString() !== key.id) throw new Refusal('IncorrectKeyException')
  const material = key.materials[bytes[ID_BYTES] ?? 0] ?? newMaterial()
  const [ivAt, tagAt] = [ID_BYTES + 1, ID_BYTES + 1 + IV_BYTES]
  try {
    const decipher = createDecipheriv('aes-256-gcm', material.key, bytes.subarray(ivAt, tagAt))
    decipher.setAAD(additionalData(context)).setAuthTag(bytes.subarray(tagAt, tagAt + TAG_BYTES))
    const plaintext = Buffer.concat([decipher.update(bytes.subarray(tagAt + TAG_BYTES)), decipher.final()])
    return { plaintext, material: material.id }
  } catch {
    throw new Refusal('InvalidCiphertextException')
  }
}
