import { readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:tls'
import type { CertificateAuthority } from './certificate-authority.ts'

/** One item of TTLV; the value is hex. */
export function ttlv(tag: string, type: number, value: string): string {
  const bytes = Buffer.from(value, 'hex')
  const head = Buffer.alloc(8)
  head.writeUInt32BE(Number.parseInt(tag, 16) * 0x100 + type)
  head.writeUInt32BE(bytes.length, 4)
  return head.toString('hex') + value + '00'.repeat((8 - (bytes.length % 8)) % 8)
}
export const structure = (tag: string, ...items: readonly string[]): string => ttlv(tag, 1, items.join(''))
export const enumeration = (tag: string, value: number): string => ttlv(tag, 5, value.toString(16).padStart(8, '0'))
const integer = (tag: string, value: number): string => ttlv(tag, 2, value.toString(16).padStart(8, '0'))

export const OPERATIONS = {
  create: 1,
  locate: 8,
  getAttributes: 11,
  activate: 18,
  query: 24,
  discoverVersions: 30,
  encrypt: 31,
  decrypt: 32,
} as const
export type OperationName = keyof typeof OPERATIONS

/** A reason to refuse, or the items of a payload in hex. */
export type Script = Partial<Record<OperationName, number | string>>

/** What a server that refuses for `reason`, or answers with these items, sends. */
export function answerTo(operation: OperationName, answer: number | string): string {
  const refused = typeof answer === 'number'
  const result = refused
    ? [enumeration('42007f', 1), enumeration('42007e', answer), ttlv('42007d', 7, textHex('secret-in-an-answer'))]
    : [enumeration('42007f', 0), structure('42007c', answer)]
  return structure(
    '42007b',
    structure('42007a', protocolVersion(1, 4), ttlv('420092', 9, '0000000000000001'), integer('42000d', 1)),
    structure('42000f', enumeration('42005c', OPERATIONS[operation]), ...result),
  )
}

export const protocolVersion = (major: number, minor: number): string =>
  structure('420069', integer('42006a', major), integer('42006b', minor))
export const textHex = (text: string): string => Buffer.from(text).toString('hex')

export interface KmipDouble {
  readonly port: number
  stop(): Promise<void>
}

/**
 * A server that says what a suite has it say, as no real one would: `respond` gets the operation that is asked for and gives
 * what is sent, in hex; nothing is sent for undefined.
 */
export async function startKmipDouble(
  authority: CertificateAuthority,
  respond: (operation: OperationName) => string | undefined,
): Promise<KmipDouble> {
  const { certFile, keyFile } = authority.issue('kmip', 'serverAuth')
  const sockets = new Set<{ destroy(): void }>()
  const server = createServer({ cert: readFileSync(certFile), key: readFileSync(keyFile) }, (socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('data', (request: Buffer) => {
      const response = respond(operationIn(request))
      if (response !== undefined) socket.write(Buffer.from(response, 'hex'))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    async stop() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** The tag of an operation, its type and its length. */
const OPERATION_HEAD = Buffer.from('42005c0500000004', 'hex')

function operationIn(request: Buffer): OperationName {
  const code = request.readUInt32BE(request.indexOf(OPERATION_HEAD) + OPERATION_HEAD.length)
  const found = Object.entries(OPERATIONS).find(([, value]) => value === code)
  if (found === undefined) throw new Error(`operation ${code}`)
  return found[0] as OperationName
}
