import { existsSync } from 'node:fs'
import { appendFile } from 'node:fs/promises'
import type { EventTarget, EventTargetPlugin } from '@coffer/event-targets'
import { z } from 'zod'

/*
 * A third party's target with a fault: while there is a file `hangs`, what it is sent settles only when it is closed or when that
 * file is gone, one half with a success and the other with an error, and much too late. It knows no option `timeoutMs`.
 */
const Options = z.strictObject({ file: z.string().min(1), hangs: z.string().min(1) })

const LOOK_MS = 20
/** So long after the file is gone that the time for what was sent before has passed, too: it would count as settled. */
const LATE_MS = 2000

function opened({ file, hangs }: z.infer<typeof Options>): EventTarget {
  let hungCount = 0
  return {
    async send({ id, body }) {
      if (!existsSync(hangs)) return await appendFile(file, `${JSON.stringify({ id, body: JSON.parse(body) })}\n`)
      const number = hungCount++
      await appendFile(file, `${JSON.stringify({ id, hung: number })}\n`)
      while (existsSync(hangs)) await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
      await new Promise((resolve) => setTimeout(resolve, LATE_MS))
      if (number % 2 === 0) throw Object.assign(new Error('too late'), { code: 'EVENT_TARGET_REFUSED' })
    },
    close: () => new Promise(() => {}),
  }
}

const hangingTarget: EventTargetPlugin<z.infer<typeof Options>> = {
  options: Options,
  open: async (options) => opened(options),
}
export default hangingTarget
