import type { Mesh } from '@coffer/mesh'
import type { Command } from 'commander'
import { configurationValues } from './option-flags.ts'

/**
 * Runs a command against a store: over NATS where that is configured, else on the data directory itself, also beside a
 * running server: all processes on a machine share the store, and each sees what another has committed.
 */
export async function withStore(command: Command, work: (mesh: Mesh) => Promise<void>): Promise<void> {
  const configuration = configurationValues(command)
  const { openStoreFor } = await import('./open-store.ts')
  await openStoreFor(configuration, work)
}
