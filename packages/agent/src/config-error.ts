// What a person is told when flags, environment or the configuration file cannot be used: everything at once.

/** One thing wrong: where it stands, and what to write instead. */
export interface ConfigProblem {
  /** e.g. `log.level`, `--label`, `SALLYPORT_SERVER`, or a file name. */
  path: string
  message: string
}

/** Everything that is wrong with how the agent was started. The process exits with 2. */
export class ConfigError extends Error {
  readonly problems: readonly ConfigProblem[]

  constructor(problems: readonly ConfigProblem[], options?: ErrorOptions) {
    super(problems.map(({ path, message }) => `${path}: ${message}`).join('\n'), options)
    this.name = 'ConfigError'
    this.problems = problems
  }
}
