import { readFile } from 'node:fs/promises'
import { insecureExportKeyBytes, Secret } from '@coffer/crypto-core'
import { cofferError } from './errors.ts'

const MESH_KEY_SIZE_BYTES = 32

/** A new key for a mesh, as the mesh key file holds it: 32 random bytes in base64. */
export function newMeshKeyText(): string {
  return Buffer.from(insecureExportKeyBytes(Secret.random(MESH_KEY_SIZE_BYTES))).toString('base64')
}

/** COFFER_MESH_KEY_INVALID. */
export async function readMeshKeyFile(path: string): Promise<Secret> {
  const text = await readFile(path, 'latin1').catch((cause: unknown) => {
    throw cofferError('COFFER_MESH_KEY_INVALID', `cannot read ${path}`, { path }, { cause })
  })
  const bytes = Buffer.from(text.trim(), 'base64')
  if (bytes.length !== MESH_KEY_SIZE_BYTES || bytes.toString('base64') !== text.trim()) {
    const why = `${path} is not 32 bytes in base64; \`coffer mesh-key\` prints a new one`
    throw cofferError('COFFER_MESH_KEY_INVALID', why, { path })
  }
  return Secret.take(bytes)
}
