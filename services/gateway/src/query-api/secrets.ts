import type { FormTree, IamService, KeyParcel } from '@coffer/contracts'
import { insecureExportKeyBytes, Secret } from '@coffer/crypto-core'
import type { Mesh } from '@coffer/mesh'

export type Form = { readonly [name: string]: FormTree }

export interface PackedForm {
  readonly parameters: Form
  readonly secrets: Readonly<Record<string, KeyParcel>>
  /** The iam service where the secrets can be opened. */
  readonly iam: IamService
}

export function secretsIn(form: Form, names: readonly string[]): readonly string[] {
  return names.filter((name) => typeof form[name] === 'string')
}

/** Takes what nobody on the way to the iam service may see out of a form, and packs it for one process of that service. */
export async function packSecrets(form: Form, names: readonly string[], mesh: Mesh): Promise<PackedForm> {
  const found = secretsIn(form, names)
  if (found.length === 0) return { parameters: form, secrets: {}, iam: mesh.use('iam') }
  const opener = await mesh.use('iam').actionRecipient()
  const parameters = { ...form }
  const secrets: Record<string, KeyParcel> = {}
  for (const name of found) {
    delete parameters[name]
    secrets[name] = mesh.parcel(Secret.take(Buffer.from(String(form[name]))), opener, 'iam-parameter', name)
  }
  return { parameters, secrets, iam: mesh.useAt('iam', opener) }
}

/** The secret of an access key that the iam service has just made. */
export function openSecretAccessKey(parcel: KeyParcel, accessKeyId: string, mesh: Mesh): string {
  const secret = mesh.unparcel(parcel, 'secret-access-key', accessKeyId)
  try {
    return Buffer.from(insecureExportKeyBytes(secret)).toString()
  } finally {
    secret.wipe()
  }
}
