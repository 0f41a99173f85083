import type { Directory } from '../directory.ts'
import type { ManagedPolicy } from '../entities.ts'
import { AWS_MANAGED } from './policies.ts'

const AWS_PREFIX = 'arn:aws:iam::aws:policy/'
const OWN = /^arn:aws:iam::(\d{12}):policy\/(?:.*\/)?([^/]+)$/

/** A policy that people attach by its ARN: AWS's, or one of an account. */
export function findManagedPolicy(directory: Directory, arn: string): ManagedPolicy | undefined {
  if (arn.startsWith(AWS_PREFIX)) return AWS_MANAGED.get(arn)
  const [, accountId = '', name = ''] = OWN.exec(arn) ?? []
  const policy = directory.named('policy', accountId, name)
  return policy !== undefined && arn === `arn:aws:iam::${accountId}:policy${policy.path}${policy.name}`
    ? policy
    : undefined
}

export function awsManagedPolicies(): ManagedPolicy[] {
  return [...AWS_MANAGED.values()]
}
