export type Headers = Readonly<Record<string, string>>

interface Stacked {
  readonly middlewareStack: {
    add(
      middleware: (next: (args: object) => Promise<unknown>) => (args: object) => Promise<unknown>,
      options: { readonly step: 'build'; readonly name: string },
    ): void
  }
}

/** The headers as they are, signed with the rest: some of these have no place in the SDK's own types. */
export function withHeaders<Command extends object>(command: Command, headers: Headers): Command {
  const { middlewareStack } = command as unknown as Stacked
  middlewareStack.add(
    (next) => (args) => {
      const { request } = args as { readonly request: { readonly headers: Record<string, string> } }
      Object.assign(request.headers, headers)
      return next(args)
    },
    { step: 'build', name: 'replicated-headers' },
  )
  return command
}
