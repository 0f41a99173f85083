import { z } from 'zod'

const path = z.string().min(1)

export const Pkcs11Options = z
  .strictObject({
    library: path.describe("The HSM maker's PKCS#11 library, an absolute path (`/usr/lib/softhsm/libsofthsm2.so`)."),
    tokenLabel: z.string().min(1).max(32).describe('The label of the token that holds the keys.'),
    tokenSerial: z
      .string()
      .min(1)
      .max(16)
      .optional()
      .describe('Its serial number, where several tokens have that label.'),
    pinFile: path.optional().describe("A file with the user's PIN. This or `pinCommand`."),
    pinCommand: z
      .array(z.string().min(1))
      .min(1)
      .optional()
      .describe('A program that prints the PIN, and its arguments; run without a shell when a session is opened.'),
    keyPrefix: z
      .string()
      .regex(/^[A-Za-z0-9_.-]{0,64}$/)
      .default('coffer-')
      .describe("What the labels of Coffer's keys in the token begin with."),
    sessions: z
      .int()
      .min(1)
      .max(64)
      .default(2)
      .describe('Sessions at once, each in a thread of its own, for each process of Coffer.'),
    timeoutMs: z.int().min(100).max(60_000).default(5000).describe('How long a call may take, milliseconds.'),
  })
  .refine(({ pinFile, pinCommand }) => (pinFile === undefined) !== (pinCommand === undefined), {
    message: 'give pinFile or pinCommand',
  })

export type Pkcs11Options = z.infer<typeof Pkcs11Options>
