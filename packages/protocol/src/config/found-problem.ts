// What is wrong with something that was written, and where. Pure.

/** Where a value stands in the file. */
export type ConfigPath = readonly PropertyKey[]

export interface FoundProblem {
  path: ConfigPath
  message: string
}

/** What was written is not known here, only the number that it was read as: YamlFile adds it. */
export const WANTS_QUOTES = 'must be text; write it in quotes'
