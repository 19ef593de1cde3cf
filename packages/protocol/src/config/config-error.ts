// What whoever starts a relay or an agent is told when flags, environment or the configuration file cannot be used:
// everything at once. It imports nothing, because a command that only reads its flags loads nothing else of ours.

/** One thing wrong: where it stands, and what to write instead. */
export interface ConfigProblem {
  /** e.g. `edges[0].routes[1].policy.on_http_request[0]`, `--label`, `SALLYPORT_SERVER`, or a file name. */
  path: string
  message: string
}

/** Everything that is wrong, reported together. The process exits with 2. */
export class ConfigError extends Error {
  readonly problems: readonly ConfigProblem[]

  constructor(problems: readonly ConfigProblem[], options?: ErrorOptions) {
    super(problems.map(({ path, message }) => `${path}: ${message}`).join('\n'), options)
    this.name = 'ConfigError'
    this.problems = problems
  }
}
