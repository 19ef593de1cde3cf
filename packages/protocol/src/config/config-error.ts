// The error for unusable flags, environment or configuration file: it has all problems at once, for the person who
// starts a relay or an agent. It imports nothing, because a command that only reads its flags loads nothing else of
// ours.

/** One problem: its place, and what to write instead. */
export interface ConfigProblem {
  /** e.g. `edges[0].routes[1].policy.on_http_request[0]`, `--label`, `SALLYPORT_SERVER`, or a file name. */
  path: string
  message: string
}

/** All problems, reported together. The process exits with 2. */
export class ConfigError extends Error {
  readonly problems: readonly ConfigProblem[]

  constructor(problems: readonly ConfigProblem[], options?: ErrorOptions) {
    super(problems.map(({ path, message }) => `${path}: ${message}`).join('\n'), options)
    this.name = 'ConfigError'
    this.problems = problems
  }
}
