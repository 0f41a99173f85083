import { setFlagsFromString } from 'node:v8'

/**
 * Without this, V8 marks the whole heap again for each 32 MiB of buffers that were allocated, dead or not: at 700 MiB/s of
 * object bytes, 40 % of the processor's time (docs/decisions/0006). With it, buffers count towards the limit of the whole heap.
 */
export function countBuffersInHeapLimit(): void {
  setFlagsFromString('--external-memory-accounted-in-global-limit')
}
