import { type Policy, PolicyMalformed, type PolicyPlace, parseResourcePolicy } from '@coffer/policy'
import { s3Error } from '@coffer/s3-protocol'
import type { OpenBucket } from './bucket-cache.ts'

const PARSED_MAX = 1_000
const ARN_PREFIX = 'arn:aws:s3:::'

/** Policies that this process has read, by bucket and text: read once, whatever the number of requests. */
const parsed = new Map<string, Policy>()

/** A bucket's policy, ready to be asked. Undefined: it has none. */
export function policyOf({ record, config }: OpenBucket): Policy | undefined {
  const { policy: text } = config
  if (text === undefined) return undefined
  const id = `${record.name}/${text}`
  const known = parsed.get(id)
  if (known !== undefined) return known
  const policy = parseBucketPolicy(record.name, text)
  if (parsed.size >= PARSED_MAX) parsed.clear()
  parsed.set(id, policy)
  return policy
}

/** MalformedPolicy, with what is wrong where. */
export function parseBucketPolicy(bucket: string, text: string): Policy {
  try {
    return parseResourcePolicy(text, placeOf(bucket))
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
