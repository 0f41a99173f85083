const MIB = 1024 * 1024
/** Amazon S3 User Guide, "Amazon S3 multipart upload limits". */
const PARTS_MAX = 10_000
const FIRST_PART_BYTES = 8 * MIB
/** Parts of equal size, which some providers insist on: 7.8 GiB, more than S3 lets a client put at once. */
const EQUAL_PARTS = 1_000
/** Then each thousand of parts is larger than the one before by as many first parts: 10,000 of them hold 5.3 TiB. */
const GROWTH = 15

/** How many bytes part `number` (from 1) has, unless it is the last. Undefined: no upload has so many. */
export function partSizeBytes(number: number): number | undefined {
  if (number > PARTS_MAX) return undefined
  return FIRST_PART_BYTES * (1 + GROWTH * Math.floor((number - 1) / EQUAL_PARTS))
}
