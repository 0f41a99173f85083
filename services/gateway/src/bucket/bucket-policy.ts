import {
  type BoundPrincipals,
  type Policy,
  PolicyMalformed,
  type PolicyPlace,
  parseResourcePolicy,
} from '@coffer/policy'
import { s3Error } from '@coffer/s3-protocol'
import type { OpenBucket } from './bucket-cache.ts'
import type { BucketConfig } from './bucket-config.ts'

const ARN_PREFIX = 'arn:aws:s3:::'

/** Policies that this process has read, by the opened configuration that they are of: read once, whatever the number of requests. */
const parsed = new WeakMap<BucketConfig, Policy>()

/** A bucket's policy, ready to be asked. Undefined: it has none. */
export function policyOf({ record, config }: OpenBucket): Policy | undefined {
  if (config.policy === undefined) return undefined
  const known = parsed.get(config)
  if (known !== undefined) return known
  const policy = parseBucketPolicy(record.name, config.policy, config.policyPrincipals)
  parsed.set(config, policy)
  return policy
}

/** MalformedPolicy, with what is wrong where. */
export function parseBucketPolicy(bucket: string, text: string, bound?: BoundPrincipals): Policy {
  try {
    return parseResourcePolicy(text, placeOf(bucket), bound)
  } catch (error) {
    if (error instanceof PolicyMalformed) throw s3Error('MalformedPolicy', { message: error.message })
    throw error
  }
}

/** A policy speaks of its own bucket and of what is in it. What begins like its name may fit others too, of which it says nothing. */
function placeOf(bucket: string): PolicyPlace {
  return {
    service: 's3',
    isOwnResource: (resource) => {
      if (resource === '*') return true
      if (!resource.startsWith(ARN_PREFIX)) return false
      const [name = ''] = resource.slice(ARN_PREFIX.length).split('/', 1)
      return name === bucket || (name.endsWith('*') && bucket.startsWith(name.slice(0, -1)))
    },
  }
}
